/*
 * pace.h - how long a check waits. Other programs may keep the machine busy, and a server is not to
 * blame for that: limits are those of a quiet machine, and become longer with the time that an echo
 * inside the checks takes meanwhile.
 */
#ifndef PACE_H
#define PACE_H

#include "report.h"

/* How long a check waits for any one thing, in milliseconds. For a chapter 10,000, or 4,000 with
 * kill_servers. For an exercise, which has many wrong servers, 3,000, and 6,000 if verified:
 * set_patience says that, and from then on this and all limits are those of the pace. */
extern volatile int patience_ms;
void set_patience(int quiet_ms);

/* How many times slower than a quiet machine this one is now: 1 to 4. The first question, which may
 * also be that of set_patience, begins to watch; Winsock must have been started. */
double slowness(void);

/* What a limit of that many milliseconds on a quiet machine is now. */
double at_this_pace(double quiet_ms);

/* Sleeps that long, so that the server can do meanwhile what it has to do. */
void give_time(double quiet_ms);

/* As now_ms, but on a busy machine fewer milliseconds pass, if it is watched. */
double quiet_time_ms(void);

#endif
