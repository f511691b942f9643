"""Sixteen pre-activations at once, for kernels: which of them, with their bias added, lie above a bar.

Written in LLVM's own vectors, because a compiler left to itself does not make a mask of comparisons. LLVM turns them
into whatever the processor has. Values come as float32, or as the raw bits of bfloat16 in uint16; the sum with the
bias is the float32 sum that `value_at` gives for one of them, so that a mask is never a guess.
"""

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LANES = 16
_FLOAT, _HALF, _WORD, _LONG = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_BFLOAT_SHIFT = 16


def _above(lanes: int) -> Any:
    """`above(values, bias, bar, i)`: bit l is set where values[i + l] + bias[i + l] > bar, one number or an array."""

    def above(context, values, bias, bar, i):
        def generate(context, builder, signature, arguments):
            read = _reader(context, builder, signature, arguments, lanes)
            sums = builder.fadd(read(0), read(1))
            bars = _spread(builder, arguments[2], lanes) if signature.args[2] == types.float32 else read(2)
            passed = builder.bitcast(builder.fcmp_ordered(">", sums, bars), ir.IntType(lanes))
            return builder.zext(passed, _LONG)

        return types.uint64(values, bias, bar, i), generate

    return intrinsic(inspect.unwrap(above))


def _value_at(context, values, bias, i):
    """`value_at(values, bias, i)`: values[i] + bias[i] in float32."""

    def generate(context, builder, signature, arguments):
        read = _reader(context, builder, signature, arguments, 1)
        return builder.extract_element(builder.fadd(read(0), read(1)), _WORD(0))

    return types.float32(values, bias, i), generate


def _lowest_bit(context, mask):
    """`lowest_bit(mask)`: the place of the lowest bit set; there has to be one."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), generate


def _reader(context: Any, builder: Any, signature: Any, arguments: Any, lanes: int) -> Callable[[int], Any]:
    """Reads lanes of float32 from the array argument of a number, at the place that the last argument says."""

    def read(number: int) -> Any:
        kind = signature.args[number]
        data = context.make_array(kind)(context, builder, arguments[number]).data
        place = builder.gep(data, [arguments[-1]])
        if kind.dtype == types.uint16:
            halves = builder.load(builder.bitcast(place, ir.VectorType(_HALF, lanes).as_pointer()), align=2)
            words = builder.zext(halves, ir.VectorType(_WORD, lanes))
            bits = builder.shl(words, ir.Constant(words.type, [_BFLOAT_SHIFT] * lanes))
            return builder.bitcast(bits, ir.VectorType(_FLOAT, lanes))
        return builder.load(builder.bitcast(place, ir.VectorType(_FLOAT, lanes).as_pointer()), align=4)

    return read


def _spread(builder: Any, number: Any, lanes: int) -> Any:
    """A vector of one number."""
    empty = ir.Constant(ir.VectorType(_FLOAT, lanes), ir.Undefined)
    first = builder.insert_element(empty, number, _WORD(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_WORD, lanes), [0] * lanes))


above_16, above_1 = _above(LANES), _above(1)
value_at, lowest_bit = intrinsic(inspect.unwrap(_value_at)), intrinsic(inspect.unwrap(_lowest_bit))
