"""The training wing: PyTorch models, losses, data, one loop and export (extra `[train]`)."""
