"""Windows of scores, written as text."""

from core.hearing.classifier import Category, Prediction


def windows(text: str) -> list[Prediction]:
    """Windows by `|`, labels by `;`, each with its score behind it."""
    return [
        Prediction(
            number * 975,
            tuple(
                Category(name.strip(), float(score))
                for name, _, score in (label.strip().rpartition(" ") for label in window.split(";") if label.strip())
            ),
        )
        for number, window in enumerate(text.split("|"))
    ]
