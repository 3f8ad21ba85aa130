"""A program of somebody else: reads a server's API with a generated client, and prints what it found as JSON.

It runs in the generator's environment, which has nothing of ours: ``python openapi_client.py FOLDER_OF_CLIENT URL``.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    folder, url = sys.argv[1:]
    sys.path.insert(0, folder)

    def call(tag: str, operation: str, *arguments: object, **named: object) -> Any:
        api = importlib.import_module(f"edge_client.api.{tag}.{operation}")
        return api.sync(*arguments, client=client, **named)

    client = importlib.import_module("edge_client").Client(base_url=url)
    problem = importlib.import_module("edge_client.models").Problem
    tasks = call("tasks", "list_tasks", limit=1)
    details = call("tasks", "task_details", 1)
    rounds = call("rounds", "list_rounds", 1)
    clients = call("clients", "list_clients", 1)
    money = call("money", "money", 1)
    models = call("models", "list_models", 1)
    missing = call("tasks", "task_details", 9)
    assert isinstance(missing, problem)
    found = {
        "title": tasks.items[0].title,
        "state": str(tasks.items[0].state),
        "next": tasks.next_,
        "parameters": details.agreed.parameters,
        "epsilon": details.privacy.epsilon,
        "rounds": [[one.round_, one.model] for one in rounds.items],
        "earned": [one.earned for one in clients.items],
        "held": money.held,
        "models": [one.digest for one in models.items],
        "year": details.task_until.year,
        "missing": missing.code,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
