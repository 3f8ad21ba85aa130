// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHearthTasks} from "interfaces/IHearthTasks.sol";
import {Stage} from "./Stage.sol";
import {vm} from "./Vm.sol";

/// @title A voucher is one for its client, task, key, ledger and chain, and no other bytes are
/// @dev The key is that of tests/voucher_keys.py; its private exponent signs here, without any blinding.
contract VouchersTest is Stage {
    bytes private constant _MODULUS =
        hex"d632e8ac8798c7452d2af4f02c2b44848dad37af0cd4852c3e948900ec29e5580dd05859816916eb0e749319bdd6982c"
        hex"df2c641fb6806eb1ab609f8766f7ca99d67152516bedf2b70ee5ac00fea0180f1b09d8a5a739088351786bcb09526ed3"
        hex"83e9d193034e1ee1e487be1084826e00f722faab79668cc4c0995d05dc09e397bed8d6e3e4a798105dedf6bf829262d5"
        hex"b6c9385334f9d01b3f15f7778a9f16cafcd5b4b03475e928525c4f7fb92f4a43f83e51205746973c2a106d154e7cf9c4"
        hex"8af7e930eada0072ccd82755829b0f206f2cd472faab1d2d22ad48b723cce3d24e186c48361bb592cf934491a0dd9a90"
        hex"2fd17953e764f533a6219212eb2bffc1";
    bytes private constant _PRIVATE =
        hex"c735cbad81e2b619811b7d77cd2c6469ff35c51ef988c15e57c95eedcbb65f45187bd75f4efb04c491ca1b710a5c8564"
        hex"de1e73f40690c5e25967e096564e484ff0dfadd669d180357e165e75025ab465801915336325a8e430a615625c861cea"
        hex"7cb9be1ec32929919f301bb552f7d704f0d3c85c27e9172c798f68b365649114412e56096bb37286510de3756dcdf57c"
        hex"a82fd91c995b5853fb21b4a5b1b7bf843e0ea024e7f27eae8e181df8d035d9467e1e287620a332582bba24b367c80d67"
        hex"a018ac65d9563e8b7531dd007ecae65342ebb208d3360bbcad946e7c321ce77c134375a56d116b9e634480a7f3617d68"
        hex"8c8dae727b6faf6e6dff70e0e4e9b70d";

    function setUp() external {
        _build();
        TaskTerms memory terms = _terms(false);
        (terms.authorityBond, terms.stake, terms.voucherKey) = (0, 0, keccak256(_MODULUS));
        _post(terms, _manufacturer(0));
    }

    function testFuzz_whoShowsItsOwnVoucherEnrols(uint256 key, bytes32 envelope) external {
        key = 1 + key % 1e70;
        vm.assume(envelope != 0);
        assert(_show(key, envelope, _voucher(1, vm.addr(key))));
        assert(ledger.taskOf(1).enrolled == 1);
    }

    function testFuzz_noOtherBytesAreAVoucher(uint256 at, uint8 flip, bytes calldata some) external {
        vm.assume(flip != 0);
        bytes memory spoilt = _voucher(1, _client(0));
        spoilt[at % 256] = bytes1(uint8(spoilt[at % 256]) ^ flip);
        assert(!_show(_clientKey(0), SOME, spoilt));
        assert(!_show(_clientKey(0), SOME, some));
        assert(_show(_clientKey(0), SOME, _voucher(1, _client(0))));
    }

    function testFuzz_aVoucherIsOfOneClientTaskAndChain(address client, uint256 task, uint64 chain) external {
        bool own = client == _client(0) && task == 1;
        if (!own) assert(!_show(_clientKey(0), SOME, _voucher(task, client)));
        uint256 here = block.chainid;
        vm.assume(chain != 0);
        vm.chainId(chain);
        bytes memory elsewhere = _voucher(1, _client(0));
        vm.chainId(here);
        assert(_show(_clientKey(0), SOME, elsewhere) == (chain == here));
    }

    function test_aKeyIsOfOneTask() external {
        TaskTerms memory terms = _terms(false);
        terms.voucherKey = keccak256(_MODULUS);
        uint256 escrow = _escrow(terms);
        vm.prank(_manufacturer(0));
        (bool done,) = address(ledger).call{value: escrow}(abi.encodeCall(IHearthTasks.postTask, (terms)));
        assert(!done);
    }

    function test_withoutAVoucherNobodyEnrols() external {
        Enrolment memory enrolment = _enrolment(1, _client(0), SOME);
        assert(!_enrol(enrolment, _signed(_clientKey(0), _enrolmentHash(enrolment))));
    }

    function _show(uint256 key, bytes32 envelope, bytes memory voucher) private returns (bool) {
        Enrolment[] memory enrolments = new Enrolment[](1);
        enrolments[0] = _enrolment(1, vm.addr(key), envelope);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _signed(key, _enrolmentHash(enrolments[0]));
        bytes memory shown = bytes.concat(_MODULUS, voucher);
        bytes memory call = abi.encodeCall(IHearthTasks.enrolWithVouchers, (enrolments, signatures, shown));
        return _call(reporter, call);
    }

    /// @dev Written from docs/vouchers.md, without a line of the contract's.
    function _voucher(uint256 task, address client) private view returns (bytes memory voucher) {
        bytes32 tag = keccak256(
            "HearthVoucher(uint256 chain,address ledger,bytes32 key,uint256 task,address client,uint256 counter)"
        );
        bytes memory said;
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 word =
                keccak256(abi.encode(tag, block.chainid, address(ledger), keccak256(_MODULUS), task, client, i));
            said = abi.encodePacked(said, i == 0 ? (word << 1) >> 1 : word);
        }
        bytes memory asked = abi.encodePacked(uint256(256), uint256(256), uint256(256), said, _PRIVATE, _MODULUS);
        (, voucher) = address(5).staticcall(asked);
    }
}
