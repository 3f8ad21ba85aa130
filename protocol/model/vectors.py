"""Eight reals side by side, as the compiled loops use them: a processor does in one or a few instructions what would be
eight. Each of the eight has the one right result of IEEE 754, as in plain arithmetic: nothing is fused or reordered.

numba's cache does not see this file (:mod:`protocol.encryption.compilation`). So each file of loops names the version
below that it was made with; a test holds the version to the digest of this file.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_WHOLES = ir.VectorType(ir.IntType(64), LANES)


class _Eight(types.Type):
    """Eight reals in a vector register, or in as many as a processor needs."""


_EIGHT = _Eight(name="eight_reals")


@register_model(_Eight)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _VECTOR)


def _pointer(context, builder, array_type, array, index):
    data = cgutils.create_struct_proxy(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _spreading(builder, value):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)


@intrinsic
def load(typing, array, index):
    def generate(context, builder, signature, given):
        place = _pointer(context, builder, signature.args[0], *given)
        return builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=8, typ=_VECTOR)

    return _EIGHT(array, types.intp), generate


@intrinsic
def store(typing, array, index, value):
    def generate(context, builder, signature, given):
        place = _pointer(context, builder, signature.args[0], *given[:2])
        builder.store(given[2], builder.bitcast(place, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _EIGHT), generate


@intrinsic
def spread(typing, array, index):
    """The number at a place, eight times."""

    def generate(context, builder, signature, given):
        return _spreading(builder, builder.load(_pointer(context, builder, signature.args[0], *given)))

    return _EIGHT(array, types.intp), generate


@intrinsic
def zero(typing):
    def generate(context, builder, signature, given):
        return ir.Constant(_VECTOR, [0.0] * LANES)

    return _EIGHT(), generate


@intrinsic
def add(typing, one, other):
    def generate(context, builder, signature, given):
        return builder.fadd(*given)

    return _EIGHT(_EIGHT, _EIGHT), generate


@intrinsic
def times(typing, one, other):
    def generate(context, builder, signature, given):
        return builder.fmul(*given)

    return _EIGHT(_EIGHT, _EIGHT), generate


@intrinsic
def minus(typing, one, other):
    def generate(context, builder, signature, given):
        return builder.fsub(*given)

    return _EIGHT(_EIGHT, _EIGHT), generate


@intrinsic
def at_least(typing, one, least):
    """``least`` where a number is below it; of what is no number, itself."""

    def generate(context, builder, signature, given):
        return builder.select(builder.fcmp_ordered("<", *given), given[1], given[0])

    return _EIGHT(_EIGHT, _EIGHT), generate


def _rounding(name):
    @intrinsic
    def rounded(typing, one):
        def generate(context, builder, signature, given):
            kind = ir.FunctionType(_VECTOR, [_VECTOR])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{LANES}f64"), given)

        return _EIGHT(_EIGHT), generate

    return rounded


nearest = _rounding("llvm.rint")  # of two equally near, the even one
toward_zero = _rounding("llvm.trunc")


@intrinsic
def power_of_two(typing, exponents):
    """Of whole numbers from -1022 to 1023; of what is no number, one."""

    def generate(context, builder, signature, given):
        zero, bias = ir.Constant(_VECTOR, [0.0] * LANES), ir.Constant(_WHOLES, [1023] * LANES)
        numbers = builder.select(builder.fcmp_ordered("ord", given[0], given[0]), given[0], zero)
        biased = builder.add(builder.fptosi(numbers, _WHOLES), bias)
        return builder.bitcast(builder.shl(biased, ir.Constant(_WHOLES, [52] * LANES)), _VECTOR)

    return _EIGHT(_EIGHT), generate


@intrinsic
def across(typing, one):
    """Sum of the eight: exact for whole numbers, in no stated order."""

    def generate(context, builder, signature, given):
        summed = given[0]
        for width in (4, 2, 1):
            mask = ir.VectorType(ir.IntType(32), width)
            low = builder.shuffle_vector(summed, summed, ir.Constant(mask, list(range(width))))
            high = builder.shuffle_vector(summed, summed, ir.Constant(mask, list(range(width, 2 * width))))
            summed = builder.fadd(low, high)
        return builder.extract_element(summed, ir.Constant(ir.IntType(32), 0))

    return types.float64(_EIGHT), generate
