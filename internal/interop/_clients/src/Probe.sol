// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// One of everything that a client has to encode, decode or explain.
contract Probe {
    struct Point {
        int256 x;
        int64 y;
        string label;
    }

    address public immutable owner;
    string public name;
    uint256 public value;
    mapping(address => uint256) public deposits;

    event Stored(address indexed by, uint256 indexed value, string note);
    event Deposited(address indexed from, uint256 amount);

    error TooSmall(uint256 given, uint256 least);
    error NotOwner(address caller);

    constructor(string memory name_, uint256 value_) payable {
        owner = msg.sender;
        name = name_;
        value = value_;
    }

    receive() external payable {
        deposits[msg.sender] += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    function store(uint256 value_, string calldata note) external {
        value = value_;
        emit Stored(msg.sender, value_, note);
    }

    function deposit() external payable {
        deposits[msg.sender] += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    function withdraw(uint256 amount) external {
        deposits[msg.sender] -= amount;
        (bool ok,) = msg.sender.call{value: amount}("");
        require(ok, "transfer failed");
    }

    function echo(Point[] calldata points, bytes calldata data)
        external
        pure
        returns (Point[] memory, bytes memory, uint256)
    {
        return (points, data, points.length + data.length);
    }

    function blockContext() external view returns (uint256 number, uint256 timestamp, uint256 baseFee, uint256 chainId) {
        return (block.number, block.timestamp, block.basefee, block.chainid);
    }

    /// Needs at least 100 and the owner: three ways to say no, by the argument.
    function fail(uint256 given) external {
        require(given != 0, "zero is not allowed");
        if (given < 100) revert TooSmall(given, 100);
        if (msg.sender != owner) revert NotOwner(msg.sender);
        value = given;
        assert(given != 100); // Panic(0x01)
        unchecked {
            given -= 101;
        }
        value = 1 / given; // Panic(0x12) for 101
        revert(); // no data
    }
}
