"""The same model, dictionary and tokens through this project and through other tools: `python -m benchmarks.peers`.

`ours.py`, `saedashboard.py` and `delphi.py` each run one side, in a process of its own, the last two in an environment
of their own; they share only what needs nothing but numpy (`job.py`, `top_lists.py`).
"""
