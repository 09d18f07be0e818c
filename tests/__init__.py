"""The specification of DeltaNAS, one folder per package."""
