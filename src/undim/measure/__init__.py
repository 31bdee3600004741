"""Numbers that need no model: metrics, pairs, where a number comes from, and the LOL data set."""
