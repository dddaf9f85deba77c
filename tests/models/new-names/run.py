from cog import BaseRunner, Input


class Runner(BaseRunner):
    def run(self, text: str = Input(description="Anything")) -> str:
        return text[::-1]
