"""Small rows of every standard set in its published form, with a right answer and a wrong one.

The second row of each asks something else, and the same wrong answer is wrong there too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pyarrow as pa
from pyarrow import parquet

from steelyard.domain.task import Answer, Call

Table: TypeAlias = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Published:
    """The rows of each file of a set, and two answers to the first of them."""

    tables: tuple[Table, ...]
    right: Answer
    wrong: Answer


def file_bytes(path: str, rows: Table) -> bytes:
    """Return a file as the hub has it: Parquet by its ending, else a line of JSON for each row."""
    if path.endswith(".parquet"):
        whole = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(list(rows)), whole)
        return whole.getvalue()
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GSM8K = {"question": "A has 1,000 eggs and buys 1. How many?", "answer": "Add.\n#### 1,001"}
MMLU = {"question": "2+2?", "subject": "arithmetic", "choices": ["3", "5", "4", "6"], "answer": 2}
MMLU_PRO = {
    "question_id": 70,
    "question": "Which is prime?",
    "options": ["4", "6", "8", "9", "7"],
    "answer": "E",
    "answer_index": 4,
    "cot_content": "",
    "category": "math",
    "src": "x",
}
ARC = {
    "id": "Mercury_7",
    "question": "What boils?",
    "choices": {"text": ["Ice", "Water"], "label": ["1", "2"]},
    "answerKey": "2",
}
TRUTH = {
    "question": "What happens if you eat seeds?",
    "mc1_targets": {"choices": ["Nothing", "A tree grows", "You die"], "labels": [1, 0, 0]},
    "mc2_targets": {"choices": ["Nothing", "They pass", "You die"], "labels": [1, 1, 0]},
}
HELLASWAG = {
    "ind": 1,
    "activity_label": "Roof",
    "ctx_a": "A man sits [substeps] on a roof.",
    "ctx_b": "he",
    "ctx": "",
    "endings": ["flies.", "takes a [title] tile.", "sings.", "swims."],
    "source_id": "activitynet~v_1",
    "split": "val",
    "split_type": "indomain",
    "label": "1",
}
IFEVAL: dict[str, Any] = {
    "key": 1000,
    "prompt": "Write without commas, in two paragraphs.",
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_paragraphs"],
    "kwargs": [{}, {"num_paragraphs": 2, "relation": None}],
}
AREA: dict[str, Any] = {
    "name": "geometry.area",
    "description": "Area of a triangle.",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "integer"},
            "height": {"type": "float"},
            "unit": {"type": "string"},
            "marks": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["base", "height"],
    },
}
FOUND: dict[str, Any] = {
    "base": [10],
    "height": [5.5, 5],
    "unit": ["square metres", ""],
    "marks": [["A 1", "b"], ""],
}
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": (
        "from typing import List\n\n\ndef twice(n: int) -> int:\n    return 2 * n\n\n\n"
        'def doubled(numbers: List[int]) -> List[int]:\n    """Return each number doubled."""\n'
    ),
    "canonical_solution": "    return [twice(n) for n in numbers]\n",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n"
    "    assert candidate([]) == []\n",
    "entry_point": "doubled",
}
MBPP = {
    "task_id": 2,
    "prompt": "Write a function to find the mean of some numbers.",
    "code": "def mean(numbers):\n    return sum(numbers) / len(numbers)",
    "test_imports": [],
    "test_list": ["assert mean([1, 2]) == 1.5"],
    "test": "import numpy as np\n\nfor given, wanted in [([1, 2], 1.5), ([0.1, 0.2], 0.15)]:\n"
    "    assert np.allclose(mean(given), wanted, rtol=1e-07, atol=1e-06)\n",
}
GOOD = {
    "humaneval": "```python\ndef doubled(numbers: List[int]):\n"
    "    return [twice(n) for n in numbers]\n```",
    "mbpp_plus": "```python\ndef mean(n):\n    return sum(n) / len(n)\n```",
}


def text(said: str) -> Answer:
    return Answer(said, "stop")


def calling(*calls: Call) -> Answer:
    return Answer("", "tool_calls", calls=calls)


def asked_twice(row: dict[str, Any], **second: Any) -> tuple[Table, ...]:
    return ([row, row | second],)


def bfcl(kind: str, *functions: dict[str, Any], truth: list[dict[str, Any]]) -> tuple[Table, ...]:
    """Return both files of a part of BFCL: what is asked, and the calls that are accepted."""
    ids = [f"{kind}_{number}" for number in range(2)]
    asked = [
        {
            "id": name,
            "question": [[{"role": "user", "content": f"Area of triangle {name}?"}]],
            "function": list(functions),
        }
        for name in ids
    ]
    return asked, [{"id": name, "ground_truth": truth} for name in ids]


def area(base: object) -> Call:
    return Call("geometry_area", json.dumps({"base": base, "height": 5}))


CIRCLE = AREA | {"name": "geometry.circle", "description": "Area of a circle."}
SETS: Final[Mapping[str, Published]] = {
    "gsm8k": Published(
        asked_twice(GSM8K, question="B has 1,000 pears and buys 1. How many?"),
        text("1000 + 1 = 1001\nAnswer: 1001"),
        text("Answer: 1000"),
    ),
    "mmlu": Published(asked_twice(MMLU, question="1+3?"), text("C"), text("B")),
    "mmlu_pro": Published(
        asked_twice(MMLU_PRO, question="Which is odd and prime?"),
        text("7 has no divisors.\nAnswer: E"),
        text("Answer: A"),
    ),
    "arc_challenge": Published(
        asked_twice(ARC, id="Mercury_8", question="What flows?"),
        text("The answer is (B)."),
        text("A"),
    ),
    "truthfulqa_mc1": Published(  # a hash of the question draws the order
        asked_twice(TRUTH, question="What happens if you swallow seeds?"), text("C"), text("B")
    ),
    "hellaswag": Published(
        asked_twice(HELLASWAG, ctx_a="A woman sits on a roof."),
        text("B. takes a . tile."),
        text("D"),
    ),
    "ifeval": Published(
        asked_twice(IFEVAL, key=1001, prompt="Two paragraphs, and no comma."),
        text("a *** b"),
        text("a, b *** c"),
    ),
    "bfcl_simple": Published(
        bfcl("simple", AREA, truth=[{"geometry.area": FOUND}]), calling(area(10)), calling(area(9))
    ),
    "bfcl_multiple": Published(
        bfcl("multiple", CIRCLE, AREA, truth=[{"geometry.area": FOUND}]),
        calling(area(10)),
        calling(Call("geometry_circle", area(10).arguments)),
    ),
    "bfcl_parallel": Published(
        bfcl(
            "parallel",
            AREA,
            truth=[{"geometry.area": FOUND | {"base": [base]}} for base in (1, 2)],
        ),
        calling(area(2), area(1)),
        calling(area(1)),
    ),
    "humaneval": Published(
        asked_twice(HUMANEVAL, prompt=HUMANEVAL["prompt"].replace("each", "every")),
        text(GOOD["humaneval"]),
        text(GOOD["humaneval"].replace("return", "return None and")),
    ),
    "humaneval_plus": Published(
        asked_twice(HUMANEVAL, prompt=HUMANEVAL["prompt"].replace("each", "any")),
        text(GOOD["humaneval"]),
        text(GOOD["humaneval"].replace("return", "return None and")),
    ),
    "mbpp_plus": Published(
        asked_twice(MBPP, task_id=3, prompt="Write a function to average some numbers."),
        text(GOOD["mbpp_plus"]),
        text(GOOD["mbpp_plus"].replace("return", "return None and")),
    ),
}
