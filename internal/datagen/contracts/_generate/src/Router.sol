// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Token} from "./Token.sol";
import {Pair} from "./Pair.sol";

/// The door to the pairs that it registers: one transaction takes the sender's
/// tokens by their allowance, swaps them and pays out. The functions have the
/// signatures of Uniswap's router for V2.
contract Router {
    mapping(address => mapping(address => address)) public getPair; // both ways

    error Expired();
    error Exists();
    error InvalidPath();
    error TransferFailed();
    error InsufficientOutputAmount();

    /// Registers a pair, once for its two tokens.
    function register(Pair pair) external {
        (address token0, address token1) = (pair.token0(), pair.token1());
        if (getPair[token0][token1] != address(0)) revert Exists();
        getPair[token0][token1] = address(pair);
        getPair[token1][token0] = address(pair);
    }

    function swapExactTokensForTokens(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory amounts) {
        if (deadline < block.timestamp) revert Expired();
        amounts = getAmountsOut(amountIn, path);
        if (amounts[amounts.length - 1] < amountOutMin) revert InsufficientOutputAmount();
        address pair = getPair[path[0]][path[1]];
        if (!Token(path[0]).transferFrom(msg.sender, pair, amountIn)) revert TransferFailed();
        for (uint256 i = 1; i < path.length; i++) {
            address next = i + 1 < path.length ? getPair[path[i]][path[i + 1]] : to;
            (uint256 out0, uint256 out1) = path[i - 1] < path[i] ? (uint256(0), amounts[i]) : (amounts[i], uint256(0));
            Pair(pair).swap(out0, out1, next, "");
            pair = next;
        }
    }

    /// What comes out at each step of path, after fees.
    function getAmountsOut(uint256 amountIn, address[] calldata path) public view returns (uint256[] memory amounts) {
        if (path.length < 2) revert InvalidPath();
        amounts = new uint256[](path.length);
        amounts[0] = amountIn;
        for (uint256 i = 1; i < path.length; i++) {
            address pair = getPair[path[i - 1]][path[i]];
            if (pair == address(0)) revert InvalidPath();
            (uint112 reserve0, uint112 reserve1,) = Pair(pair).getReserves();
            amounts[i] = path[i - 1] < path[i]
                ? getAmountOut(amounts[i - 1], reserve0, reserve1)
                : getAmountOut(amounts[i - 1], reserve1, reserve0);
        }
    }

    /// What comes out of one pair, after the fee of 0.3 %.
    function getAmountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) public pure returns (uint256) {
        uint256 amountInWithFee = amountIn * 997;
        return amountInWithFee * reserveOut / (reserveIn * 1000 + amountInWithFee);
    }
}
