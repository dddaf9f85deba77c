"""Which errors say that memory ran out, in the words of the libraries."""

from __future__ import annotations

import errno

import pytest

from cog.running_out import is_out_of_memory


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


ON_A_GPU = OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")
ON_A_CPU = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


@pytest.mark.parametrize(
    "error",
    [
        ON_A_GPU,
        ON_A_CPU,
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Failed to allocate memory for requested buffer of size 2684354560"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_libraries_say_in_many_ways_that_memory_ran_out(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), RuntimeError("no such layer"), KeyError("memory")]
)
def test_other_errors_and_opinions_on_an_input_do_not(error):
    assert not is_out_of_memory(error)


def handling(first, then):
    """The error that is raised while the first is handled."""
    try:
        try:
            raise first
        except Exception:
            raise then  # noqa: B904  # as libraries do
    except Exception as error:
        return error


def test_an_error_that_hides_another_is_looked_behind():
    misread = handling(ON_A_CPU, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))
    assert is_out_of_memory(handling(misread, OSError("Unable to load weights from the file")))


def test_what_a_model_says_of_an_input_stands_whatever_it_caught():
    assert not is_out_of_memory(handling(MemoryError(), ValueError("Give a smaller picture.")))
