/* watch.h - what the master hears and sees of its workers: messages, deaths, heartbeats. */
#pragma once

#include "server/master.h"

/* Take what the worker of a slot has sent. */
void watch_channel(struct master *master, struct slot *slot);

/* Reap the worker of a slot if it has ended. */
void watch_death(struct master *master, struct slot *slot);

/* See whether the heart of a serving worker still beats. */
void watch_heartbeat(struct master *master, struct slot *slot);
