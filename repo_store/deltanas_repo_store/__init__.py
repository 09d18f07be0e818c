"""The ground of DeltaNAS: records, errors, the git store and the baselines."""
