"""Methods beside one another: scored, tabled, drawn, and laid side by side for the eye."""

from undim.evaluation.scores import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
