"""The page: what a browser loads, and how it is written as a static site."""
