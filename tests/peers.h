/*
 * peers.h - clients that talk to the server under test: blocking calls with a deadline on
 * non-blocking sockets.
 */
#ifndef PEERS_H
#define PEERS_H

#include "report.h"

/* Bytes for the peers to send: random, but the same in each run. Call fill_pattern first. */
enum { PATTERN_SIZE = 16 * 1024 * 1024 };
extern unsigned char pattern[PATTERN_SIZE];
void fill_pattern(void);

/* Draws a number below the limit, and changes *drawn: from the same start the same row comes. */
unsigned draw(unsigned *drawn, unsigned limit);

/* ---- one peer ------------------------------------------------------------------------------ */

/* A connected socket, or INVALID_SOCKET after noting trouble. The caller closes it. */
SOCKET connect_peer(int port);

/* Closes it; INVALID_SOCKET: nothing. */
void close_peer(SOCKET peer);

/* Waits with select for one socket, at most this many milliseconds. Returns the bits that hold. */
enum { READABLE = 1, WRITABLE = 2 };
int wait_for_socket(SOCKET peer, int wanted, DWORD milliseconds);

/* Each returns false after noting trouble. */
bool send_all(SOCKET peer, const unsigned char *bytes, size_t length);
bool receive_exactly(SOCKET peer, const unsigned char *expected, size_t length);

/* Receives what has arrived, without waiting. The first "before" of the expected bytes have come
 * earlier. Returns the bytes received, or -1 after noting trouble. */
int receive_some(SOCKET peer, const unsigned char *expected, size_t before, size_t length);

/* The other side must close in order, and send nothing before. False after noting trouble. */
bool receive_end(SOCKET peer);

/* Sends the bytes in pieces of at most this size and receives the same bytes meanwhile, or as many
 * other ones. False after noting trouble. */
bool exchange(SOCKET peer, const unsigned char *bytes, size_t length, size_t piece);
bool exchange_for(SOCKET peer, const unsigned char *bytes, const unsigned char *expected,
                  size_t length, size_t piece);

/* Makes the system's buffers for the peer small: otherwise they could hold all that it sends and
 * gets. */
void use_small_buffers(SOCKET peer);

/* Sends until nothing more is taken for half a second. Returns the bytes sent. */
size_t send_until_refused(SOCKET peer);

/* Closes with a reset. */
void reset_peer(SOCKET peer);

/* Connects, exchanges, shuts down, receives the end, and closes. */
void converse(int port, const unsigned char *bytes, size_t length, size_t piece);

/* ---- several peers ------------------------------------------------------------------------- */

/* Connects count peers; those that cannot be connected become INVALID_SOCKET, with trouble. */
void connect_peers(int port, SOCKET *peers, int count);

/* Connects count peers. All are connected before the first one sends; then each exchanges twice. */
void talk_all(int port, SOCKET *peers, int count);

/* Closes those that are not INVALID_SOCKET. */
void end_peers(SOCKET *peers, int count);

#endif
