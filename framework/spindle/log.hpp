#pragma once

/// The framework's log, for programs that want their lines beside Spindle's.
#include "spindle/actor/log.hpp"
