/* operations.c - waits, work, calls and operations of a run. See operations.h. */
#include "operations.h"

const char *const kind_names[] = {"wait", "work", "call", "receive", "send", "told"};

struct shape shapes[MAX_SHAPES];
int shape_count;
struct lane lanes[MAX_LANES];
int lane_count;
bool lanes_left_out;

/* The lane of a thread (client 0), or of a connection (thread 0). NULL if there are too many. */
static struct lane *lane_of(int log, long thread, int client)
{
    for (int i = 0; i < lane_count; i++) {
        if (lanes[i].log == log && lanes[i].thread == thread && lanes[i].client == client)
            return &lanes[i];
    }
    if (lane_count == MAX_LANES) {
        lanes_left_out = true;
        return NULL;
    }
    struct lane *lane = &lanes[lane_count++];
    lane->log = log;
    lane->thread = thread;
    lane->client = client;
    return lane;
}

static struct shape *add_shape(enum kind kind, const struct lane *lane, const struct line *from,
                               const struct line *to, const char *text)
{
    if (shape_count == MAX_SHAPES)
        fail(0, "the logs have more waits, calls and operations than can be drawn");
    struct shape *shape = &shapes[shape_count++];
    shape->kind = kind;
    shape->lane = (int)(lane - lanes);
    shape->from = from->ms;
    shape->to = to->ms;
    shape->first = (int)(from - lines);
    shape->last = (int)(to - lines);
    snprintf(shape->text, sizeof shape->text, "%s", text);
    return shape;
}

static struct shape *begin_shape(enum kind kind, const struct lane *lane, const struct line *from,
                                 const char *text)
{
    struct shape *shape = add_shape(kind, lane, from, from, text);
    shape->open = true;
    return shape;
}

static void end_shape(struct shape **shape, const struct line *to, const char *text)
{
    if (*shape == NULL)
        return;
    (*shape)->to = to->ms;
    (*shape)->last = (int)(to - lines);
    (*shape)->open = false;
    if (text != NULL)
        snprintf((*shape)->text, sizeof(*shape)->text, "%s", text);
    *shape = NULL;
}

bool is_one_of(const char *call, const char *names)
{
    const char *place = strstr(names, call);
    size_t length = strlen(call);
    return place != NULL && (place == names || place[-1] == ' ') &&
           (place[length] == ' ' || place[length] == '\0');
}

static bool begins_with(const char *text, const char *words)
{
    return strncmp(text, words, strlen(words)) == 0;
}

/* Finds the waits and the work of a thread. Returns true if there is nothing more in the line. */
static bool find_on_thread(const struct line *line, struct lane *thread)
{
    if (is_one_of(line->call,
                  "WSAWaitForMultipleEvents GetQueuedCompletionStatus select WSAPoll")) {
        if (begins_with(line->what, "wait for")) {
            thread->wait = begin_shape(WAIT, thread, line, line->call);
        } else if (!begins_with(line->what, "listener:") &&
                   !begins_with(line->what, "the listener")) { /* about what is waited for */
            end_shape(&thread->wait, line, NULL);
            add_shape(TOLD, thread, line, line, line->what);
        }
        return true;
    }
    if (strcmp(line->call, "work") == 0) {
        if (strstr(line->what, "meanwhile") != NULL)
            add_shape(WORK, thread, thread->last, line, line->what);
        return true;
    }
    if (is_one_of(line->call, "receive_completed send_completed")) /* called inside the wait */
        add_shape(CALL, thread, line, line, line->call);
    if (line->client == 0 && strcmp(line->call, "listen") == 0)
        add_shape(CALL, thread, line, line, line->call);
    return false;
}

/* Begins an operation. With several workers, the one that takes the packet may narrate before the
 * one that made the call: then the operation has already ended. */
static struct shape *begin_operation(enum kind kind, const struct lane *lane,
                                     const struct line *line, const char *text, bool *early)
{
    struct shape *shape = begin_shape(kind, lane, line, text);
    if (!*early)
        return shape;
    *early = false;
    end_shape(&shape, line, NULL);
    return NULL;
}

/* Finds what happened on a connection. */
static void find_on_connection(const struct line *line, struct lane *connection)
{
    char text[160];
    bool is_result =
        is_one_of(line->call, "WSAGetOverlappedResult receive_completed send_completed");
    snprintf(text, sizeof text, "%s %s", line->call, line->what);

    if (strcmp(line->call, "WSARecv") == 0 && !begins_with(line->what, "failed")) {
        connection->receive =
            begin_operation(RECEIVE, connection, line, text, &connection->early_receive);
    } else if (strcmp(line->call, "WSASend") == 0 && !begins_with(line->what, "failed")) {
        connection->send = begin_operation(SEND, connection, line, text, &connection->early_send);
    } else if (is_result) {
        bool was_send = strcmp(line->call, "send_completed") == 0 ||
                        strstr(line->what, " sent") != NULL ||
                        (connection->receive == NULL && connection->send != NULL);
        struct shape **shape = was_send ? &connection->send : &connection->receive;
        if (*shape == NULL)
            *(was_send ? &connection->early_send : &connection->early_receive) = true;
        end_shape(shape, line, line->what);
        add_shape(TOLD, connection, line, line, line->what);
    } else if (is_one_of(line->call, "recv send")) {
        add_shape(line->call[0] == 'r' ? RECEIVE : SEND, connection, line, line, text);
    } else if (strcmp(line->call, "WSAEnumNetworkEvents") == 0) {
        add_shape(TOLD, connection, line, line, line->what);
    } else if (is_one_of(line->call, "accept AcceptEx connect closesocket shutdown")) {
        add_shape(CALL, connection, line, line, line->call);
    }
}

/* In a client's narration the connection is client 0. */
static bool is_about_connection(const struct line *line)
{
    return line->client != 0 ||
           (line->log > 0 && !is_one_of(line->call, "WSAEventSelect CreateIoCompletionPort"));
}

void find_operations(double end)
{
    for (int i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        struct lane *thread = lane_of(line->log, line->thread, 0);
        if (thread != NULL && thread->last == NULL)
            thread->last = line;
        bool done = thread != NULL && find_on_thread(line, thread);
        if (!done && is_about_connection(line)) {
            struct lane *connection = lane_of(line->log, 0, line->client);
            if (connection != NULL)
                find_on_connection(line, connection);
        }
        if (thread != NULL)
            thread->last = line;
    }
    for (int i = 0; i < shape_count; i++) {
        if (shapes[i].open) {
            shapes[i].to = end;
            shapes[i].last = line_count;
        }
    }
}
