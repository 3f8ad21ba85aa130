"""``hearth serve`` and ``hearth agent``: one process for each role, as its operator or owner runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import parse_address
from scripts.commands.database_option import DatabaseAddress, DatabasePasswordFile, RecordsPutBack, database_of
from scripts.commands.executor_options import (
    AllowPlain,
    ExecutorChoice,
    ExecutorName,
    SchedulerAddress,
    SchedulerCa,
    SchedulerCertificate,
    SchedulerKey,
    WorkersStore,
    cluster_of,
)
from scripts.commands.listening_options import Host, RequestsOfOne, TrustedProxy, UnixSocket, listening_of
from scripts.commands.options import (
    HOUSEHOLD,
    MAX_GAS_PRICE,
    ConfirmBy,
    Folder,
    Household,
    Keystore,
    Ledger,
    MaxGasPrice,
    PasswordFile,
    PollSeconds,
    Port,
    ReadyFile,
    ReportFile,
    RpcUrl,
    SeedFile,
    Store,
    TaskNumber,
    read_seed,
    url_option,
)
from scripts.commands.phone_options import Data, DataSet, ExampleBudget, Leave, Yes, micro_of, run_phone
from scripts.commands.watching_options import METRICS_HOST, MetricsHost, MetricsPort, OtlpUrl, metrics_address
from storage.ledger.gas_limits import GasLimits

MaxBond = Annotated[
    int, typer.Option(min=0, help="wei that its bonds may be together; above it, its operator places them")
]
PublicUrl = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL", help="by which people reach it; repeat for each. Without it, they sign in on this machine alone"
    ),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(metavar="ORIGIN", help="of pages elsewhere that may use its API (CORS); repeat for each; else none"),
]
PinUrl = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STORE", help="another content store of yours that keeps all of its tasks too; repeat for each"
    ),
]
KeepDays = Annotated[
    int, typer.Option(min=0, max=36_500, help="days that those stores keep a task after its last claim is possible")
]
VoucherKeyFolder = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, help="folder of voucher keys under the account's password: phones redeem their codes here"
    ),
]

ScreenedStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="HEARTH_STORE",
        help="folder, or RPC URL of an IPFS node (Kubo): for screened tasks, which it refuses without",
    ),
]

serve = typer.Typer(help="Long-running roles.", no_args_is_help=True)


@serve.command()
def edge(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    keystore: Keystore,
    password_file: PasswordFile,
    folder: Folder,
    authority: Annotated[list[str], url_option("of a key authority; repeat for each")],
    port: Port = 8000,
    host: Host = "127.0.0.1",
    uds: UnixSocket = None,
    trusted_proxy: TrustedProxy = None,
    requests_of_one: RequestsOfOne = None,
    ready_file: ReadyFile = None,
    censor: Annotated[list[str] | None, typer.Option(help="ignore this client: for demonstrations")] = None,
    max_bond: MaxBond = 0,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
    poll_seconds: PollSeconds = None,
    public_url: PublicUrl = None,
    allow_origin: AllowOrigin = None,
    other_rpc_url: Annotated[
        list[str] | None,
        url_option("another endpoint of the chain, which must agree in audits on its pages; repeat for each"),
    ] = None,
    database: DatabaseAddress = None,
    database_password_file: DatabasePasswordFile = None,
    records_put_back: RecordsPutBack = False,
    executor: ExecutorChoice = ExecutorName.IN_PROCESS,
    scheduler_address: SchedulerAddress = None,
    scheduler_ca: SchedulerCa = None,
    scheduler_certificate: SchedulerCertificate = None,
    scheduler_key: SchedulerKey = None,
    allow_plain_cluster: AllowPlain = False,
    workers_store: WorkersStore = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = METRICS_HOST,
    otlp_url: OtlpUrl = None,
    confirm_by: ConfirmBy = None,
    pin_url: PinUrl = None,
    keep_days: KeepDays = 90,
    voucher_keys: VoucherKeyFolder = None,
) -> None:
    """The edge server: runs the rounds of the tasks that name its account."""
    from backend.main import serve_edge
    from backend.settings import EdgeSettings, VoucherFolder
    from scripts.commands.audit_process import auditing
    from storage.ledger.keystore import read_password
    from storage.ledger.signer import Signer

    settings = EdgeSettings(
        folder=folder,
        rpc_url=rpc_url,
        domain=ledger,
        store=store,
        authorities=tuple(authority),
        listening=listening_of(port, host, uds, trusted_proxy, requests_of_one, ready_file),
        censored=frozenset(parse_address(address) for address in censor or ()),
        max_bond_wei=max_bond,
        gas=GasLimits(max_gas_price),
        poll_seconds=poll_seconds,
        public_urls=_origins("--public-url", public_url),
        allowed_origins=_origins("--allow-origin", allow_origin),
        audit=auditing(rpc_url, ledger, store, others=tuple(other_rpc_url or ())),
        database=database_of(database, database_password_file),
        put_back=records_put_back,
        cluster=cluster_of(
            executor,
            scheduler_address,
            (scheduler_ca, scheduler_certificate, scheduler_key, allow_plain_cluster),
            workers_store or store,
        ),
        metrics=metrics_address(metrics_port, metrics_host),
        otlp=otlp_url,
        confirm_by=confirm_by,
        pins=tuple(pin_url or ()),
        kept_days=keep_days,
        vouchers=None if voucher_keys is None else VoucherFolder(voucher_keys, read_password(password_file)),
    )
    serve_edge(settings, Signer.from_keystore(keystore, password_file))


@serve.command()
def authority(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    folder: Folder,
    port: Port = 8100,
    host: Host = "127.0.0.1",
    uds: UnixSocket = None,
    trusted_proxy: TrustedProxy = None,
    requests_of_one: RequestsOfOne = None,
    ready_file: ReadyFile = None,
    seed_file: SeedFile = None,
    max_bond: MaxBond = 0,
    other_rpc_url: Annotated[
        list[str] | None, url_option("another endpoint of the chain, which must say the same; repeat for each")
    ] = None,
    poll_seconds: PollSeconds = None,
    database: DatabaseAddress = None,
    database_password_file: DatabasePasswordFile = None,
    records_put_back: RecordsPutBack = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = METRICS_HOST,
    otlp_url: OtlpUrl = None,
    confirm_by: ConfirmBy = None,
    store: ScreenedStore = None,
) -> None:
    """One key authority: answers for what it finds on chain, once per label."""
    from backend.key_authority.main import serve_authority
    from backend.key_authority.settings import AuthoritySettings
    from storage.ledger.signer import Signer

    others = tuple(other_rpc_url or ())
    listening = listening_of(port, host, uds, trusted_proxy, requests_of_one, ready_file)
    records = database_of(database, database_password_file)
    metrics = metrics_address(metrics_port, metrics_host)
    settings = AuthoritySettings(
        folder,
        rpc_url,
        ledger,
        listening,
        max_bond,
        others,
        poll_seconds,
        records,
        records_put_back,
        metrics,
        otlp_url,
        store,
        confirm_by,
    )
    signer = Signer.from_keystore(keystore, password_file)
    serve_authority(settings, signer, seed=read_seed(seed_file))


@serve.command()
def chain(
    port: Port = 8545,
    ready_file: ReadyFile = None,
    idle_seconds: Annotated[
        int,
        typer.Option(min=0, max=3600, help="seconds without a transaction after which a block is empty; 0: none is"),
    ] = 0,
) -> None:
    """An in-process development chain over JSON-RPC. Its funded key is public: for this machine only."""
    from scripts.chain.server import serve_chain

    serve_chain(port, ready_file=ready_file, idle_seconds=idle_seconds)


def _origins(option: str, urls: list[str] | None) -> tuple[str, ...]:
    from backend.api.sites import origins_of

    try:
        return origins_of(urls or ())
    except ValueError as error:
        raise typer.BadParameter(f"{option} {error}") from error


def agent(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    keystore: Keystore,
    password_file: PasswordFile,
    folder: Folder,
    edge: Annotated[list[str], url_option("of an edge server of the task; repeat for each")],
    data: Data,
    task: TaskNumber,
    household: Household = HOUSEHOLD,
    data_set: DataSet = None,
    yes: Yes = False,
    leave: Leave = False,
    report: ReportFile = None,
    example_budget: ExampleBudget = None,
    seed_file: SeedFile = None,
    poll_seconds: PollSeconds = None,
    confirm_by: ConfirmBy = None,
) -> None:
    """The phone of one household: says what it will do, enrols, trains, claims."""
    from client_agent.settings import AgentSettings
    from storage.ledger.signer import Signer

    settings = AgentSettings(
        folder=folder,
        household=household.expanduser(),
        data=data,
        data_set=data_set,
        edge_urls=tuple(edge),
        rpc_url=rpc_url,
        domain=ledger,
        store=store,
        task=task,
        chain_seconds=poll_seconds,
        confirm_by=confirm_by,
        example_budget_micro=micro_of(example_budget),
    )
    signer = Signer.from_keystore(keystore, password_file)
    run_phone(settings, signer, yes, leave, report, seed_file)
