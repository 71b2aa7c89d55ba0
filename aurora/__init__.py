"""The kernel of Aurora: meanings, tables and owners of state. Imports no sibling package."""

__version__ = "0.1.0"
