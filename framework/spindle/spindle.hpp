#pragma once

/// Everything a service includes: events, actors, groups, publishing. Brings in no socket, log or JSON header.
#include "spindle/actor/actor.hpp"
#include "spindle/actor/service.hpp"
#include "spindle/event.hpp"
