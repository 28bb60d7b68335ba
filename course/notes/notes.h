/*
 * notes.h - what the experiments on the statements of the lecture notes share.
 *
 * An experiment plays a statement on real sockets. It calls observed at least once. If there are
 * several observations, the first that is not as stated counts; if all are as stated, the last.
 */
#ifndef NOTES_H
#define NOTES_H

#include "../../common/common.h"

struct statement {
    const char *number;   /* 21.3: chapter, and place in the chapter */
    const char *sentence; /* what the notes say, restated */
    void (*play)(void);
};

extern const struct statement statements_21[];
extern const struct statement statements_22[];
extern const struct statement statements_23[];

/* Records what was seen, used like printf, and whether that is what the statement says. */
void observed(bool as_stated, const char *what, ...) FORMAT_LIKE_PRINTF(2, 3);

/* Records that the effect cannot be seen on this system, and why. */
void not_seen_here(const char *why);

/* ---- time ---------------------------------------------------------------------------------- */

enum {
    AT_ONCE_MS = 100,   /* a call that returned sooner has not waited */
    LATER_MS = 300,     /* after this time something happens in the other thread */
    PATIENCE_MS = 10000 /* for what should happen soon */
};

/* ---- sockets ------------------------------------------------------------------------------- */

/* More bytes than a connection holds while the other side does not read. */
enum { HUGE_SIZE = 32 * 1024 * 1024 };
extern char *huge; /* HUGE_SIZE bytes */

/* A connection of this program with itself over 127.0.0.1: both sockets are overlapped and in
 * blocking mode, as socket makes them. The caller closes them with close_pair. */
struct pair {
    SOCKET ours;
    SOCKET theirs; /* the other end, which the experiment also plays */
};

struct pair connect_pair(void);
void close_pair(struct pair pair); /* only when no operation of theirs is in progress */

/* Returns a listening socket, and writes its address, for connect. */
SOCKET listen_somewhere(struct sockaddr_in *address);

/* ---- something that happens later, in another thread --------------------------------------- */

struct errand {
    void (*action)(SOCKET);
    SOCKET socket;
    DWORD after_ms;
    HANDLE thread;
};

/* Calls action(socket) on another thread after after_ms milliseconds. end_errand waits for it. */
void begin_errand(struct errand *errand, DWORD after_ms, void (*action)(SOCKET), SOCKET socket);
void end_errand(struct errand *errand);

/* Actions of an errand. */
void send_byte(SOCKET socket);
void receive_huge(SOCKET socket); /* until HUGE_SIZE bytes have come */

/* Sends 1 byte, and gives it time to arrive. */
void say_something(SOCKET socket);

#endif
