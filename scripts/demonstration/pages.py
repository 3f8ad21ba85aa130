"""The demonstration with pages: one household is a page on which a person says yes, and both faces stay open."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from client_agent.data.intake.arrival import MachineClock
from client_agent.data.intake.plugs import Purpose
from scripts.demonstration.data import Households
from scripts.demonstration.data_folder import tracebase_folder
from scripts.demonstration.home_readings import write_readings
from scripts.demonstration.processes import Stage
from scripts.demonstration.stage import DemoStage
from scripts.demonstration.task import ENROLMENT_SECONDS
from scripts.outermost import Signalled

USED_FOR: Final = {"appliances": Purpose.TYPE_HOUR, "next-hour": Purpose.NEXT_HOUR}  # of data sets that plugs measured
TICK_SECONDS: Final = 0.5
STAYS: Final = "Both pages stay open; Ctrl-C ends everything."


def start_home(stage: DemoStage, role: str, dataset: str, data: Households) -> str:
    """The page of the last household; its link. It has its plugs' readings, and those of one plug more, of which
    nobody said what it is; where the data are of no plugs, a file of examples."""
    if dataset in USED_FOR:
        own, household = data.plugs[-1], stage.household(role)
        kinds = {appliance.kind for appliance in own}
        unknown = [appliance for appliance in data.unseen if appliance.kind not in kinds][:1]
        write_readings(tracebase_folder(), household, own, unknown, USED_FOR[dataset], MachineClock()())
        files = list[Path]()
    else:
        files = [stage.folder(role) / "household.safetensors"]
        files[0].write_bytes(data.households[-1])
    return stage.start_page(role, *files).ready(stage.folder(role) / "ready")


def say_addresses(console: Console, stage: DemoStage, link: str, others: int) -> None:
    minutes = ENROLMENT_SECONDS // 60
    lines = (
        "Open both:",
        f"  the manufacturer's dashboard  {stage.edge_url}/tasks/{stage.task}",
        f"  one household's page          {link}",
        f'Say yes on that page, under "Find a task": the other {others} phones wait for it, {minutes} minutes at most.',
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)  # to be pasted: no letter is markup


def stay(console: Console, processes: Stage) -> None:
    """Until Ctrl-C, which is how it ends well."""
    console.print(STAYS, soft_wrap=True)
    try:
        while True:
            for role in processes.roles:
                role.finished()
            time.sleep(TICK_SECONDS)
    except Signalled as ended:
        if ended.code != 128 + signal.SIGINT:
            raise
