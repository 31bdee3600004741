"""What is done to samples: the curve, the filter before it, means over boxes and over time; kernel
and reference.
"""
