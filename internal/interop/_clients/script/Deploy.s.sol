// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Probe} from "../src/Probe.sol";

/// What this script needs of forge's cheat codes.
interface Vm {
    function envUint(string calldata name) external view returns (uint256);
    function addr(uint256 key) external pure returns (address);
    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
}

/// Deploys a Probe and writes to it, by three transactions.
contract Deploy {
    bool public constant IS_SCRIPT = true;
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Probe probe) {
        uint256 key = vm.envUint("PRIVATE_KEY");
        vm.startBroadcast(key);
        probe = new Probe{value: 1000}("script", 3);
        probe.store(4, "from a script");
        probe.deposit{value: 5}();
        vm.stopBroadcast();
        require(probe.value() == 4, "value");
        require(probe.deposits(vm.addr(key)) == 5, "deposits");
        require(address(probe).balance == 1005, "balance");
    }
}
