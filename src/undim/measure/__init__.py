"""Numbers that need no model: metrics, pairs of pictures, where a number comes from, and the LOL
data set.
"""
