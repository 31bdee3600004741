"""What looks at a thumbnail and decides: the networks as they ship, and what runs them."""
