"""A hint to the processor, for kernels that follow indices all over an array too large for the cache.

It changes when memory is read and nothing else; LLVM leaves it out where a processor has no such thing.
"""

import inspect

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LINE_BYTES = 64
_BYTES, _NUMBER = ir.IntType(8).as_pointer(), ir.IntType(32)
_READ, _KEEP, _DATA = _NUMBER(0), _NUMBER(3), _NUMBER(1)


def _prefetch(context, array, index):
    """`prefetch(array, index)`: array[index] of a one-dimensional array will be read soon."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), _BYTES)
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _NUMBER, _NUMBER, _NUMBER])
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], kind), [place, _READ, _KEEP, _DATA])
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch = intrinsic(inspect.unwrap(_prefetch))
