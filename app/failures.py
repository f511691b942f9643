"""What can go wrong in the app itself, said so that a person knows the way out."""


class AppError(Exception):
    """Root of what the app raises by itself; its text is fit to be shown to a person."""
