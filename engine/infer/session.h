/* What others than session.c must know of how a session reads. */
#ifndef INFER_SESSION_H
#define INFER_SESSION_H

enum { SESSION_CHUNK = 32 }; /* tokens of a prompt that are read at a time */

#endif
