def shout(text: str, marks: int = 1) -> str:
    return text.upper() + "!" * marks
