#pragma once

#include <cstddef>

/// Bytes that this thread has asked operator new for so far, freed or not.
std::size_t bytes_allocated();
