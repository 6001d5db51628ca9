"""From what search and replay leave behind to the parts of a Result. Runs no model code itself."""
