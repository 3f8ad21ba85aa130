// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthJudge} from "interfaces/IHearthJudge.sol";
import {IHearthLedger} from "interfaces/IHearthLedger.sol";
import {IHearthTypes} from "interfaces/IHearthTypes.sol";
import {vm} from "./Vm.sol";

interface Token {
    function mint(address holder, uint256 amount) external;
    function approve(address spender, uint256 amount) external returns (bool);
    function ban(address holder, bool banned) external;
    function balanceOf(address holder) external view returns (uint256);
}

/// @title A ledger and a token as committed, the parties, what they sign and the trees they publish
abstract contract World is IHearthTypes {
    uint256 internal constant CLIENTS = 4;
    uint256 internal constant SERVERS = 2;
    uint256 internal constant AUTHORITIES = 3;
    uint32 internal constant ROSTER_ROUNDS = 2;
    uint32 internal constant ROSTER_SECONDS = 50;
    uint8 internal constant MAXIMUM = 5;
    uint8 internal constant FLOOR = 2;
    uint32 internal constant WAITING = 2000; // shorter than a task
    uint32 internal constant LEAST_CLAIM = 655;
    uint128 internal constant PARTICIPATION = 400;
    uint128 internal constant CONTRIBUTION = 600;
    uint128 internal constant REWARD = PARTICIPATION + CONTRIBUTION;
    uint128 internal constant EDGE_FEE = 7;
    uint128 internal constant AUTHORITY_FEE = 3;
    uint128 internal constant STAKE = 1; // the smallest there is
    uint128 internal constant EDGE_BOND = 4 * PARTICIPATION + 501;
    uint128 internal constant AUTHORITY_BOND = 1;
    bytes32 internal constant SOME = bytes32(uint256(1));

    IHearthLedger internal ledger;
    Token internal token;
    address internal sponsor = address(0x5907507); // brings bonds and stakes
    address internal reporter = address(0x5e907e5); // has nothing but what disputes bring
    mapping(uint256 key => address) private _address; // to derive one takes a while
    mapping(uint256 task => uint128) internal _stakes;

    function _build() internal {
        vm.warp(1_700_000_000);
        ledger = IHearthLedger(_deploy(LedgerRules(MAXIMUM, FLOOR, WAITING, LEAST_CLAIM)));
        token = Token(_create("../TestToken.json", ""));
        assert(address(ledger) != address(0) && address(token) != address(0));
        _fund(_manufacturer(0));
        _fund(_manufacturer(1));
        _fund(sponsor);
        for (uint256 i = 0; i < CLIENTS; ++i) _address[_clientKey(i)] = vm.addr(_clientKey(i));
        for (uint256 i = 0; i < SERVERS; ++i) _address[_serverKey(i)] = vm.addr(_serverKey(i));
        for (uint256 i = 0; i < AUTHORITIES; ++i) _address[_authorityKey(i)] = vm.addr(_authorityKey(i));
    }

    /// @dev Zero when the rules are refused.
    function _deploy(LedgerRules memory rules) internal returns (address) {
        address tasks = _create("../../../contracts/artifacts/HearthTasks.json", abi.encode(rules));
        return _create("../../../contracts/artifacts/HearthLedger.json", abi.encode(rules, tasks));
    }

    function _create(string memory artifact, bytes memory arguments) private returns (address made) {
        bytes memory code = bytes.concat(vm.parseJsonBytes(vm.readFile(artifact), ".bytecode"), arguments);
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
    }

    function _fund(address holder) internal {
        vm.deal(holder, 1e30);
        token.mint(holder, 1e30);
        vm.prank(holder);
        token.approve(address(ledger), type(uint256).max);
    }

    function _manufacturer(uint256 which) internal pure returns (address) {
        return address(uint160(0xFAC7 + which));
    }

    function _clientKey(uint256 which) internal pure returns (uint256) {
        return 0xC11E27 + which;
    }

    function _client(uint256 which) internal view returns (address) {
        return _address[_clientKey(which)];
    }

    function _serverKey(uint256 which) internal pure returns (uint256) {
        return 0x5E97E9 + which;
    }

    function _server(uint256 which) internal view returns (address) {
        return _address[_serverKey(which)];
    }

    function _authorityKey(uint256 which) internal pure returns (uint256) {
        return 0xA07409 + which;
    }

    function _authority(uint256 which) internal view returns (address) {
        return _address[_authorityKey(which)];
    }

    /// @dev The tasks in coins take any reputation, those in tokens what their own manufacturer gave.
    function _terms(bool inToken) internal view returns (TaskTerms memory terms) {
        terms.reputationSources = new address[](inToken ? 1 : 0);
        if (inToken) terms.reputationSources[0] = _manufacturer(1);
        terms.spec = SOME;
        terms.edgeServers = new address[](SERVERS);
        for (uint256 i = 0; i < SERVERS; ++i) terms.edgeServers[i] = _server(i);
        terms.authorities = new address[](AUTHORITIES);
        for (uint256 i = 0; i < AUTHORITIES; ++i) terms.authorities[i] = _authority(i);
        terms.threshold = 2;
        terms.initialReputation = 2;
        terms.rounds = 3;
        terms.minClients = 2;
        terms.maxClients = uint32(CLIENTS);
        terms.maxCohort = uint32(inToken ? CLIENTS - 1 : CLIENTS); // so cohorts are drawn in those
        terms.enrolmentSeconds = 600;
        terms.commitSeconds = 300;
        terms.trainingSeconds = 20;
        terms.objectionSeconds = 30;
        terms.settleSeconds = 200;
        terms.taskSeconds = 10_000;
        terms.claimSeconds = 5000;
        terms.disputeSeconds = 150;
        terms.takeoverSeconds = 100;
        terms.token = inToken ? address(token) : address(0);
        terms.participation = PARTICIPATION;
        terms.contribution = CONTRIBUTION;
        terms.edgeFee = EDGE_FEE;
        terms.authorityFee = AUTHORITY_FEE;
        terms.edgeBond = EDGE_BOND;
        terms.authorityBond = AUTHORITY_BOND;
        terms.stake = STAKE;
        terms.rosterRounds = ROSTER_ROUNDS;
        terms.rosterSeconds = ROSTER_SECONDS;
    }

    function _post(TaskTerms memory terms, address manufacturer) internal returns (uint256) {
        uint256 escrow = _escrow(terms);
        vm.prank(manufacturer);
        uint256 task = ledger.postTask{value: terms.token == address(0) ? escrow : 0}(terms);
        _stakes[task] = terms.stake;
        return task;
    }

    function _escrow(TaskTerms memory terms) internal pure returns (uint256) {
        uint256 fees = uint256(terms.edgeFee) + terms.authorities.length * uint256(terms.authorityFee);
        uint256 reward = uint256(terms.participation) + terms.contribution;
        return terms.rounds * (terms.maxCohort * reward + fees);
    }

    /// @dev Of a client that signs for itself later on, too.
    function _enrolment(uint256 task, address client, bytes32 envelope) internal view returns (Enrolment memory) {
        TaskView memory shown = ledger.taskOf(task);
        uint128 stake = _stakes[task];
        return Enrolment(task, shown.spec, client, client, envelope, stake, shown.claimUntil, type(uint48).max);
    }

    /// @dev EIP-712 by hand: the tests do not share the contract's way to it.
    function _signed(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Hearth"),
                keccak256("3"),
                block.chainid,
                address(ledger)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return abi.encodePacked(r, s, v);
    }

    function _enrolmentHash(Enrolment memory enrolment) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Enrolment(uint256 task,bytes32 spec,address client,address signer,bytes32 envelope,uint128 stake,uint48 lockedUntil,uint48 deadline)"
                ),
                enrolment
            )
        );
    }

    function _leaveHash(uint256 task, address client) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Leave(uint256 task,address client)"), task, client));
    }

    function _commitmentHash(Commitment memory commitment) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Commitment(uint256 task,uint64 round,address client,bytes32 label,bytes16 nonce,bytes32 ciphertext)"
                ),
                commitment
            )
        );
    }

    function _statementHash(IHearthJudge.RoundStatement memory statement) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(keccak256("RoundStatement(uint256 task,uint64 round,bytes32 label,bytes32 model)"), statement)
        );
    }

    function _openingHash(IHearthJudge.PartialKey memory opening) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Opening(uint256 task,uint64 round,bytes32 label,bytes32 request,address authority,uint64 keyEpoch,bytes32 answers)"
                ),
                opening
            )
        );
    }

    function _keyHash(IHearthJudge.PartialKey memory key) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "PartialKey(uint256 task,uint64 round,bytes32 label,bytes32 request,address authority,uint64 keyEpoch,bytes32 residues)"
                ),
                key
            )
        );
    }

    function _sightingHash(IHearthJudge.Sighting memory sighting) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Sighting(uint256 task,uint64 round,bytes32 kind,bytes32 label,bytes32 digest,address authority)"
                ),
                sighting
            )
        );
    }

    function _receiptHash(Commitment memory promised) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("Receipt(uint256 task,uint64 round,bytes32 label,bytes32 commitment)"),
                promised.task,
                promised.round,
                promised.label,
                _commitmentHash(promised)
            )
        );
    }

    /// @dev The root of a batch of one: its leaf.
    function _batchLeaf(BatchLeaf memory leaf) internal pure returns (bytes32) {
        bytes32 tag = keccak256("HearthCommitmentLeaf(uint256 index,bytes32 commitment,bytes32 signature)");
        bytes32 inner =
            keccak256(abi.encode(tag, leaf.index, _commitmentHash(leaf.commitment), keccak256(leaf.signature)));
        return keccak256(bytes.concat(inner));
    }

    function _leaf(uint256 task, Entitlement memory entry) internal pure returns (bytes32) {
        bytes32 tag = keccak256(
            "HearthEntitlementLeaf(uint256 task,uint256 index,address client,uint256 cumulative,uint256 reputation)"
        );
        bytes32 inner =
            keccak256(abi.encode(tag, task, entry.index, entry.client, entry.cumulative, entry.reputation));
        return keccak256(bytes.concat(inner));
    }

    /// @dev The tree of four leaves, one for each client.
    function _root(uint256 task, Entitlement[] memory entries) internal pure returns (bytes32) {
        return _pair(_half(task, entries, 0), _half(task, entries, 1));
    }

    function _proof(uint256 task, Entitlement[] memory entries, uint256 which)
        internal
        pure
        returns (bytes32[] memory proof)
    {
        proof = new bytes32[](2);
        proof[0] = _leaf(task, entries[which ^ 1]);
        proof[1] = _half(task, entries, 1 - which / 2);
    }

    function _half(uint256 task, Entitlement[] memory entries, uint256 half) internal pure returns (bytes32) {
        return _pair(_leaf(task, entries[2 * half]), _leaf(task, entries[2 * half + 1]));
    }

    function _pair(bytes32 one, bytes32 other) internal pure returns (bytes32) {
        return one < other ? keccak256(abi.encode(one, other)) : keccak256(abi.encode(other, one));
    }
}
