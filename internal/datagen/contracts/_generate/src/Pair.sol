// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Token} from "./Token.sol";

interface ISwapCallee {
    function swapCall(address sender, uint256 amount0Out, uint256 amount1Out, bytes calldata data) external;
}

/// A constant-product exchange of two tokens with the rules of Uniswap V2: 0.3 %
/// fee left in the pool, k may not fall, prices accumulate over time, the first
/// liquidity of 1000 is locked, a lock against re-entrance, flash swaps. It is
/// itself the token of its liquidity. There is no protocol fee.
contract Pair is Token {
    address public token0;
    address public token1;

    uint112 private reserve0; // these three share one slot
    uint112 private reserve1;
    uint32 private blockTimestampLast;

    uint256 public price0CumulativeLast; // UQ112x112 * seconds, wraps
    uint256 public price1CumulativeLast;

    uint256 private unlocked = 1;

    uint256 public constant MINIMUM_LIQUIDITY = 1000;

    event Mint(address indexed sender, uint256 amount0, uint256 amount1);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Swap(
        address indexed sender,
        uint256 amount0In,
        uint256 amount1In,
        uint256 amount0Out,
        uint256 amount1Out,
        address indexed to
    );
    event Sync(uint112 reserve0, uint112 reserve1);

    error Locked();
    error Overflow();
    error TransferFailed();
    error InsufficientLiquidityMinted();
    error InsufficientLiquidityBurned();
    error InsufficientOutputAmount();
    error InsufficientInputAmount();
    error InsufficientLiquidity();
    error InvalidTo();
    error K();

    modifier lock() {
        if (unlocked != 1) revert Locked();
        unlocked = 0;
        _;
        unlocked = 1;
    }

    constructor(address token0_, address token1_) Token("Vivace LP", "VLP", address(1), 0) {
        token0 = token0_;
        token1 = token1_;
    }

    function getReserves() public view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, blockTimestampLast);
    }

    /// Turns tokens that were sent before the call into liquidity.
    function mint(address to) external lock returns (uint256 liquidity) {
        (uint112 r0, uint112 r1,) = getReserves();
        uint256 balance0 = Token(token0).balanceOf(address(this));
        uint256 balance1 = Token(token1).balanceOf(address(this));
        uint256 amount0 = balance0 - r0;
        uint256 amount1 = balance1 - r1;

        uint256 supply = totalSupply;
        if (supply == 0) {
            liquidity = _sqrt(amount0 * amount1) - MINIMUM_LIQUIDITY;
            _mint(address(0), MINIMUM_LIQUIDITY);
        } else {
            liquidity = _min(amount0 * supply / r0, amount1 * supply / r1);
        }
        if (liquidity == 0) revert InsufficientLiquidityMinted();
        _mint(to, liquidity);

        _update(balance0, balance1, r0, r1);
        emit Mint(msg.sender, amount0, amount1);
    }

    /// Turns liquidity that was sent before the call into tokens.
    function burn(address to) external lock returns (uint256 amount0, uint256 amount1) {
        (uint112 r0, uint112 r1,) = getReserves();
        (address t0, address t1) = (token0, token1);
        uint256 balance0 = Token(t0).balanceOf(address(this));
        uint256 balance1 = Token(t1).balanceOf(address(this));
        uint256 liquidity = balanceOf[address(this)];

        uint256 supply = totalSupply;
        amount0 = liquidity * balance0 / supply;
        amount1 = liquidity * balance1 / supply;
        if (amount0 == 0 || amount1 == 0) revert InsufficientLiquidityBurned();
        _burn(address(this), liquidity);
        _pay(t0, to, amount0);
        _pay(t1, to, amount1);
        balance0 = Token(t0).balanceOf(address(this));
        balance1 = Token(t1).balanceOf(address(this));

        _update(balance0, balance1, r0, r1);
        emit Burn(msg.sender, amount0, amount1, to);
    }

    /// Pays out first, and then looks whether enough has come in, before the call
    /// or during the callback.
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external lock {
        if (amount0Out == 0 && amount1Out == 0) revert InsufficientOutputAmount();
        (uint112 r0, uint112 r1,) = getReserves();
        if (amount0Out >= r0 || amount1Out >= r1) revert InsufficientLiquidity();

        uint256 balance0;
        uint256 balance1;
        {
            (address t0, address t1) = (token0, token1);
            if (to == t0 || to == t1) revert InvalidTo();
            if (amount0Out > 0) _pay(t0, to, amount0Out);
            if (amount1Out > 0) _pay(t1, to, amount1Out);
            if (data.length > 0) ISwapCallee(to).swapCall(msg.sender, amount0Out, amount1Out, data);
            balance0 = Token(t0).balanceOf(address(this));
            balance1 = Token(t1).balanceOf(address(this));
        }
        uint256 amount0In = balance0 > r0 - amount0Out ? balance0 - (r0 - amount0Out) : 0;
        uint256 amount1In = balance1 > r1 - amount1Out ? balance1 - (r1 - amount1Out) : 0;
        if (amount0In == 0 && amount1In == 0) revert InsufficientInputAmount();
        {
            uint256 adjusted0 = balance0 * 1000 - amount0In * 3;
            uint256 adjusted1 = balance1 * 1000 - amount1In * 3;
            if (adjusted0 * adjusted1 < uint256(r0) * r1 * 1000 ** 2) revert K();
        }

        _update(balance0, balance1, r0, r1);
        emit Swap(msg.sender, amount0In, amount1In, amount0Out, amount1Out, to);
    }

    /// Pays out what the balances have above the reserves.
    function skim(address to) external lock {
        (address t0, address t1) = (token0, token1);
        _pay(t0, to, Token(t0).balanceOf(address(this)) - reserve0);
        _pay(t1, to, Token(t1).balanceOf(address(this)) - reserve1);
    }

    /// Makes the reserves what the balances are.
    function sync() external lock {
        _update(
            Token(token0).balanceOf(address(this)), Token(token1).balanceOf(address(this)), reserve0, reserve1
        );
    }

    function _update(uint256 balance0, uint256 balance1, uint112 r0, uint112 r1) private {
        if (balance0 > type(uint112).max || balance1 > type(uint112).max) revert Overflow();
        uint32 timestamp = uint32(block.timestamp);
        unchecked {
            uint32 elapsed = timestamp - blockTimestampLast;
            if (elapsed > 0 && r0 != 0 && r1 != 0) {
                price0CumulativeLast += (uint256(r1) << 112) / r0 * elapsed;
                price1CumulativeLast += (uint256(r0) << 112) / r1 * elapsed;
            }
        }
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        blockTimestampLast = timestamp;
        emit Sync(uint112(balance0), uint112(balance1));
    }

    /// Tokens that return nothing count as good.
    function _pay(address token, address to, uint256 value) private {
        (bool ok, bytes memory data) = token.call(abi.encodeCall(Token.transfer, (to, value)));
        if (!ok || (data.length != 0 && !abi.decode(data, (bool)))) revert TransferFailed();
    }

    function _min(uint256 x, uint256 y) private pure returns (uint256) {
        return x < y ? x : y;
    }

    function _sqrt(uint256 y) private pure returns (uint256 z) {
        if (y < 4) return y == 0 ? 0 : 1;
        z = y;
        uint256 x = y / 2 + 1;
        while (x < z) {
            z = x;
            x = (y / x + x) / 2;
        }
    }
}
