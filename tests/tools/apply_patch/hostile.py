"""Answers and parents that are made to take long: what must be bounded, in size and shape."""

from deltanas_repo_store.baselines import baselines

HOSTILE = {
    "fences": "```diff\n" * 40_000,
    "tags": "<delta>" * 100_000 + "<think>" * 50_000,
    "headers": "@@\n" * 49_000,
    "one hunk of blank lines": "@@ -1 +1 @@\n" + "\n" * 49_000,
    "one hunk of additions": "@@ -1 +1 @@\n" + "+x = 1\n" * 49_000,
    "prose": "@@ -1 +1 @@\n-import torch\n" + "This is what I think about it.\n" * 30_000,
    "one line": "@@\n-" + "x" * 1_000_000,
    "spaces": "@@\n-" + " " * 1_000_000 + "x",
    "brackets": "@@\n-import torch\n+" + "(" * 500_000,
    "minus signs": "@@\n-import torch\n+x = " + "-" * 500_000 + "1",
    "dots": "@@\n-import torch\n " + ". " * 400_000,
    "words": "@@\n-import torch\n" + "word " * 200_000,
    "blocks": "<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n" * 9_000,
    "a block": "<<<<<<< SEARCH\n"
    + "x\n" * 20_000
    + "=======\n"
    + "x\ny\n" * 10_000
    + ">>>>>>> REPLACE\n",
    "entities": "@@\n-&amp;" + "&amp;" * 200_000,
    "equal lines": "@@\n" + " x = 1\n" * 20_000 + "-x = 1\n+x = 2\n" + " x = 1\n" * 20_000,
    "a long hunk that nearly fits": "@@\n" + " x = 1\n y = 2\n" * 10_000 + "-x = 1\n+z = 2\n",
}
LONG_PARENTS = {
    "a network": baselines()["plain-cnn"].source * 70,
    "equal lines": "x = 1\n" * 33_000,
    "few kinds of line": "x = 1\ny = 2\n" * 16_000,
    "one line": "x = '" + "y" * 200_000 + "'\n",
}
