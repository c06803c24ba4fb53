"""The rules, free of input and output: states, message types, clocks, roads. Standard library only."""
