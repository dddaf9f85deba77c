"""A second door to the same models: the paths and bodies that OpenAI's clients speak.

What comes in is a prediction like any other: checked by the same schema, in the same history. A
parameter that the model has no input for is refused, never ignored.
"""
