"""The benchmark's protocol for other model checkers: one table, printed as Promela and as Murphi."""
