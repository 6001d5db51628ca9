"""Measurements: lastput beside Spin and Rumur on one protocol."""
