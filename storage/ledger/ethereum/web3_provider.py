"""web3 over one of our providers: who sends transactions talks to the node through it."""

from __future__ import annotations

from typing import Any, cast

from web3 import Web3
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from storage.ledger.ethereum.rpc import NodeProvider


def web3_over(provider: NodeProvider) -> Web3:
    return Web3(_Provider(provider), middleware=[])


class _Provider(BaseProvider):
    def __init__(self, inner: NodeProvider) -> None:
        super().__init__()
        self._inner = inner

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return cast(RPCResponse, self._inner.make_request(method, params))
