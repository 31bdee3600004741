"""The training wing: PyTorch models, losses, data, one loop, checkpoints and export (extra
`[train]`).
"""
