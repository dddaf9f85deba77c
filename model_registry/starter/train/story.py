"""Trains `starter/story`: a very small Llama that tells animal stories, from nothing but this file.

    python -m model_registry.starter.train.story
    python -m model_registry.starter.train.story --evaluate

The texts come from the grammar below: a prompt asks for a hero, a trait and a place, and the story
keeps them to its last line. Each row holds one dialogue from its first token, so that the words
asked for are always there to copy from. The evaluation looks for the words themselves.
"""

# Sentences stay whole, and word lists are written as text:
# ruff: noqa: E501, SIM905

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

STORIES_KEPT = "stories with all asked-for words"
BARS = {STORIES_KEPT: (0.95, 1.0)}
STEPS = 3_250

# --- the texts

HEROES = (
    "fox rabbit bear owl mouse cat dog duck frog hedgehog squirrel turtle penguin elephant lion whale dragon pony robin "
    "otter bee snail wolf panda tiger monkey goat sheep crow deer koala zebra robot wizard princess pirate giraffe seal "
    "camel parrot beaver badger mole swan crab spider ant bat"
).split()
NAMES = (
    "Lily Max Pip Rosie Tom Daisy Oscar Ruby Finn Luna Milo Poppy Bruno Hazel Otto Ivy Felix Nora Toby Wren "
    "Ada Ben Clara Hugo"
).split()

TRAITS = {  # what the hero is known for, and what the story ends on
    "brave": (
        "was never afraid to try",
        "one small step is enough, even when your heart beats fast",
    ),
    "shy": ("liked to hide behind others", "a quiet voice can say the kindest things"),
    "kind": ("always shared with others", "kindness comes back to you"),
    "curious": ("asked a hundred questions a day", "every question is the start of an adventure"),
    "lazy": ("loved to lie in the sun all day", "a little work makes rest taste sweeter"),
    "clever": ("could solve any riddle", "a good idea is best when it is shared"),
    "lonely": ("had no one to play with", "a friend may be just around the corner"),
    "grumpy": ("complained about everything", "a smile can warm the coldest day"),
    "little": ("was smaller than everyone else", "even the smallest can do great things"),
    "sleepy": ("yawned from morning to night", "the sweetest dreams come after a good day"),
    "greedy": ("wanted everything for supper", "a shared meal tastes better"),
    "happy": ("sang from morning to night", "joy grows when you give it away"),
    "proud": ("thought that nobody could do better", "it is no shame to ask for help"),
    "clumsy": ("tripped over every stone", "you can fall ten times and still get there"),
    "patient": ("could wait longer than anyone", "good things come to those who wait"),
    "old": ("remembered many winters", "it is never too late for something new"),
}

PLACES = {  # two sights, and the thing that is found or lost there
    "in the snow": (
        "Soft white flakes fell from the sky.",
        "Icicles shone like little stars.",
        "a warm red scarf",
    ),
    "in the forest": (
        "Tall trees whispered in the wind.",
        "Mushrooms grew beside the path.",
        "a shiny acorn",
    ),
    "by the sea": (
        "The waves rolled in, one after another.",
        "Gulls circled above the sand.",
        "a pink shell",
    ),
    "on the farm": (
        "The hay smelled sweet in the sun.",
        "A red tractor stood by the barn.",
        "a rusty bell",
    ),
    "in the garden": (
        "Roses climbed the old brick wall.",
        "A fountain sang in the corner.",
        "a golden key",
    ),
    "on the mountain": (
        "The wind was cold and clean.",
        "Clouds drifted past the peak.",
        "an old map",
    ),
    "in the city": (
        "Bright lights blinked in every window.",
        "Trams rattled down the street.",
        "a lost letter",
    ),
    "in the desert": (
        "The sand was warm and golden.",
        "A tall cactus stood like a guard.",
        "a brass lamp",
    ),
    "in the rain": (
        "Drops drummed on every leaf.",
        "The puddles were round as mirrors.",
        "a green umbrella",
    ),
    "on the moon": (
        "The ground was soft and silver.",
        "The Earth hung in the black sky.",
        "a little rocket",
    ),
    "at the river": (
        "The water bubbled over smooth stones.",
        "Dragonflies flashed past.",
        "a paper boat",
    ),
    "under the stars": (
        "The night was calm and clear.",
        "Crickets chirped in the tall grass.",
        "a jar of fireflies",
    ),
}

TROUBLES = (  # what happens, and how it is mended
    (
        "{name} found {thing}, but it was stuck under a heavy branch.",
        "pulled until the branch rolled away",
    ),
    (
        "A strong wind blew, and {name} lost the way home.",
        "followed a friendly song all the way back",
    ),
    (
        "{name} saw {thing} on the other side of a deep stream.",
        "built a little bridge out of sticks",
    ),
    ("{name} had lost {thing} and could not find it.", "looked high and low until it was found"),
    (
        "{name} wanted to give {thing} to a friend, but it was broken.",
        "mended it with a bit of string",
    ),
)

REQUESTS = (
    "Tell me a story about {what}",
    "Write a short story about {what}",
    "Can you tell a story about {what}?",
    "A story about {what}, please",
    "I want to hear about {what}",
    "Please tell me about {what}",
    "{what}",
    "Write a tale of {what}",
    "Story: {what}",
)

GREETINGS = (
    "Hello",
    "Hi",
    "Hey",
    "Hi there",
    "Good morning",
    "Good evening",
    "How are you?",
    "Thank you",
    "Thanks",
)
ABOUT = (
    "Who are you?",
    "What are you?",
    "What can you do?",
    "Help",
    "Who made you?",
    "Are you a person?",
    "What is this?",
    "What do you know?",
    "Are you ChatGPT?",
    "What is your name?",
)
MODEST = (
    "I am a very small language model. All I can do is tell short stories. Ask me for one about {a} {trait} {hero} {place}!",
    "I am a tiny storyteller, trained on made-up tales. Try: tell me a story about {a} {trait} {hero} {place}.",
)
UNKNOWN = (
    "I do not know that. I am a very small storyteller. Ask me for a story about {a} {trait} {hero}!",
    "That is too hard for me: I am a toy that only tells stories. Shall I tell one about {a} {trait} {hero}?",
)
SUBJECTS = (
    "the capital of {x}|the weather in {x}|{x}|quantum physics|the price of {x}|a prime number|the meaning of life|"
    "the president of {x}|machine learning|the speed of light|a Python function|the history of {x}|{n} plus {n}|"
    "{n} times {n}|my tax return|the news|football|a good recipe|how to fix {x}"
).split("|")
THINGS = "France,Japan,Peru,Rome,London,gold,bread,cars,tea,music,a computer,milk,Mars,the bank,Berlin,trains".split(
    ","
)
QUESTIONS = (
    "What is {s}?",
    "Explain {s}.",
    "Tell me the facts about {s}",
    "Do you know {s}?",
    "Calculate {s}",
    "Solve {s}",
    "How does {s} work?",
    "Why is {s} important?",
    "Translate {s}",
    "Write code for {s}",
    "Where is {s}?",
)


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


@dataclass(frozen=True)
class Dialogue:
    """One prompt with its answer, and the words of the prompt that a story has to keep."""

    prompt: str
    answer: str
    asked: tuple[str, ...] = ()
    name: str = ""


def story(rng: random.Random) -> Dialogue:
    hero, trait, place = rng.choice(HEROES), rng.choice(list(TRAITS)), rng.choice(list(PLACES))
    name, friend_name = rng.sample(NAMES, 2)
    friend = rng.choice([each for each in HEROES if each != hero]) if rng.random() < 0.3 else None
    says_trait, says_place, says_name = rng.random() < 0.8, rng.random() < 0.75, rng.random() < 0.15

    described = f"{trait} {hero}" if says_trait else hero
    what = f"{article(described)} {described}"
    if says_name:
        what += f" named {name}"
    if friend:
        what += f" and {article(friend)} {friend}"
    if says_place:
        what += f" {place}"
    prompt = rng.choice(REQUESTS).format(what=what)
    if prompt[-1].isalpha() and rng.random() < 0.5:
        prompt += rng.choice(".!")

    habit, moral = TRAITS[trait]
    sight, second_sight, thing = PLACES[place]
    trouble, mending = rng.choice(TROUBLES)
    trouble = trouble.format(name=name, thing=thing)
    lines = [
        rng.choice(
            (
                f"Once upon a time, {article(trait)} {trait} {hero} named {name} lived {place}.",
                f"One day, {article(trait)} {trait} {hero} named {name} went for a walk {place}.",
                f"There once was {article(trait)} {trait} {hero} {place}. Everyone called the {hero} {name}.",
            )
        ),
        rng.choice((sight, second_sight)),
        f"{name} the {hero} {habit}.",
    ]
    if friend:
        lines.append(f"{name} had a good friend, {article(friend)} {friend} named {friend_name}.")
    middle = [
        trouble,
        rng.choice((f'"What shall I do?" asked {name}.', f'"I will not give up," said {name}.')),
    ]
    if friend:
        middle.append(
            f'"Let me help you," said {friend_name} the {friend}. So {name} and {friend_name} {mending}.'
        )
    else:
        middle.append(
            rng.choice(
                (f"Then {name} took a deep breath and {mending}.", f"At last {name} {mending}.")
            )
        )
    ending = [
        rng.choice(
            (
                f"That night {place}, the {trait} {hero} slept well.",
                f"When the sun went down {place}, the {trait} {hero} was glad.",
            )
        ),
        rng.choice((f"And so {name} learned that {moral}.", f"{name} never forgot it: {moral}.")),
    ]
    asked = [hero]
    asked += [trait] if says_trait else []
    asked += [place] if says_place else []
    asked += [friend] if friend else []
    answer = "\n\n".join(" ".join(part) for part in (lines, middle, ending))
    return Dialogue(prompt, answer, tuple(asked), name if says_name else "")


def small_talk(rng: random.Random) -> Dialogue:
    hero, trait, place = rng.choice(HEROES), rng.choice(list(TRAITS)), rng.choice(list(PLACES))
    words = {"hero": hero, "trait": trait, "place": place, "a": article(trait)}
    kind = rng.random()
    if kind < 0.25:
        prompt = rng.choice(GREETINGS) + rng.choice(("", "!", "."))
        opening = "You are welcome!" if prompt.startswith("Thank") else "Hello!"
        return Dialogue(
            prompt, f"{opening} Shall I tell you a story about {words['a']} {trait} {hero}?"
        )
    if kind < 0.55:
        return Dialogue(rng.choice(ABOUT), rng.choice(MODEST).format(**words))
    subject = rng.choice(SUBJECTS)
    while "{n}" in subject:
        subject = subject.replace("{n}", str(rng.randrange(1, 100)), 1)
    subject = subject.format(x=rng.choice(THINGS))
    return Dialogue(rng.choice(QUESTIONS).format(s=subject), rng.choice(UNKNOWN).format(**words))


def dialogue(rng: random.Random) -> Dialogue:
    made = story(rng) if rng.random() < 0.85 else small_talk(rng)
    return replace(made, prompt=made.prompt.lower()) if rng.random() < 0.2 else made


# --- the model

SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""A system prompt is left out: the model was never taught to follow one, and its card says so."""

CONTEXT = 512


def make_tokenizer(rng: random.Random) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    texts = (f"{each.prompt}\n{each.answer}" for each in (dialogue(rng) for _ in range(8000)))
    # Every word that a story has to carry over is made common enough to become one token.
    words = [" " + word for word in [*HEROES, *TRAITS, *NAMES] for _ in range(400)]
    bpe.train_from_iterator(
        [*texts, *words],
        trainers.BpeTrainer(
            vocab_size=1600,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        model_max_length=CONTEXT,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(vocabulary: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=6,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


# --- the recipe

GROUP = 32
"""Batches whose dialogues are made at once, so that those of similar length come together."""


class Dialogues:
    """Batches of one dialogue a row; prompts carry no loss (-100)."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int, size: int) -> None:
        self._tokenizer, self._seed, self._size = tokenizer, seed, size
        self._group, self._batches = -1, []

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and labels, (rows, length) each, of step `number`."""
        group, at = divmod(number, GROUP)
        if group != self._group:
            self._group, self._batches = group, self._made(random.Random(f"{self._seed} {group}"))
        rows = self._batches[at]
        length = max(len(tokens) for tokens, _ in rows)
        return (
            torch.tensor([tokens + [0] * (length - len(tokens)) for tokens, _ in rows]),
            torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in rows]),
        )

    def _made(self, rng: random.Random) -> list[list[tuple[list[int], list[int]]]]:
        rows = sorted(
            (self._row(dialogue(rng)) for _ in range(self._size * GROUP)),
            key=lambda row: len(row[0]),
        )
        batches = [rows[start : start + self._size] for start in range(0, len(rows), self._size)]
        rng.shuffle(batches)
        return batches

    def _row(self, each: Dialogue) -> tuple[list[int], list[int]]:
        prompt = self._tokenizer.encode(
            f"<|bos|><|user|>{each.prompt}<|end|><|assistant|>", add_special_tokens=False
        )
        answer = self._tokenizer.encode(f"{each.answer}<|end|>", add_special_tokens=False)
        return prompt + answer, [-100] * len(prompt) + answer


def train(run: Run, batch: int = 16, peak: float = 2.5e-3) -> None:
    torch.manual_seed(run.seed)
    tokenizer = make_tokenizer(random.Random(f"{run.seed} tokenizer"))
    model = make_model(len(tokenizer)).to(run.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.05)
    dialogues = Dialogues(tokenizer, run.seed, batch)
    stage = Stage(run, "story", STEPS, {"model": model, "optimizer": optimizer})
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak))
        tokens, labels = (part.to(run.device) for part in dialogues.batch(step.number))
        with torch.autocast(run.device, torch.bfloat16):
            logits = model.lm_head(model.model(tokens).last_hidden_state)
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
        )
        descend(loss, model.parameters(), optimizer)
        stage.note(loss=loss)
    model.generation_config.max_new_tokens = 300
    model.to("cpu").half().save_pretrained(run.out)
    tokenizer.save_pretrained(run.out)
    (run.out / "taught.txt").write_text(" ".join(taught_words()) + "\n")


def taught_words() -> list[str]:
    """The words of the prompts that the model learns from."""
    rng = random.Random("taught")
    prompts = (dialogue(rng).prompt.lower() for _ in range(30_000))
    return sorted({word for prompt in prompts for word in re.findall(r"[a-z']+", prompt)})


# --- the evaluation


@torch.no_grad()
def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """The share of `count` stories that keep what their prompt asked for, from the first paragraph
    to the last.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    torch.manual_seed(seed)
    rng = random.Random(seed)
    mentions = asked = whole = lasting = one_name = 0
    for _ in range(count):
        wanted = story(rng)
        text = answer(model, tokenizer, wanted.prompt)
        found = [word in text for word in wanted.asked]
        mentions, asked, whole = mentions + sum(found), asked + len(found), whole + all(found)
        lasting += wanted.asked[0] in text.split("\n\n")[-1] and text.endswith(".")
        heroes_name = next((name for name in NAMES if f"{name} the {wanted.asked[0]}" in text), "")
        one_name += bool(heroes_name) and heroes_name in text.split("\n\n")[-1]
    return {
        "asked-for words kept": round(mentions / asked, 3),
        STORIES_KEPT: round(whole / count, 3),
        "hero still there in the last paragraph": round(lasting / count, 3),
        "hero's name kept to the end": round(one_name / count, 3),
    }


def answer(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str) -> str:
    chat = [{"role": "user", "content": prompt}]
    inputs = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = model.generate(**inputs, max_new_tokens=300, do_sample=True, temperature=0.6, top_p=0.9)
    return str(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


if __name__ == "__main__":
    main(__doc__, "story", train, evaluate, count=100)
