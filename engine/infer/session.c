/* Generation: a key/value cache for each layer, and three programs that serve every position, because the position lies in a buffer. Two read
 * a chunk of tokens into the caches. One reads a single token and gives the logits of the next. */
#include <pumice/infer.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"
#include "base/log.h"
#include "base/sized.h"
#include "exec/pass.h"
#include "infer/sampler.h"
#include "infer/session.h"

/* A chunk pays off for more tokens than this: it takes about as long as two single ones. */
enum { CHUNK_LEAST = 4 };

/* Tokens between pm_session_begin and pm_session_end. They are read stretch by stretch, as far as the context has room, and each in chunks. */
typedef struct feeding {
    bool begun, hosted;    /* hosted: one token, in the host's buffer */
    uint32_t *tokens;      /* [room], which is kept for the next time */
    size_t room, all;      /* `all`: what was given; there may be older ones to read again */
    size_t count, at, end; /* of tokens: all, read, and where the stretch ends */
    const pass *pass;      /* of the chunk in flight; NULL: none */
    uint32_t chunk;        /* its tokens */
    uint32_t before;       /* the session's length at first */
    bool slid;             /* and older tokens were dropped since */
    gpu_sync sync;         /* its control, and what of the host's order was not waited for or signalled yet */
    bool was_unknown;      /* the session's `unknown` at first */
    pm_status status;
    double started; /* by pm_profile_now(): the chunk, and its wait */
} feeding;

struct pm_session {
    pm_model *model;
    uint32_t ctx;                    /* tokens that it holds */
    dtype_id cache;                  /* of keys and values */
    gpu_buffer **caches;             /* [layers] (ctx,2GD) */
    gpu_buffer *input;               /* host-visible: step_scalars, then a chunk's tokens */
    gpu_buffer *logits, *logits_out; /* (1,V), and the host's copy */
    pass single, chunk, small;       /* see session_shapes; the last two are made when first wanted */
    pass hosted;                     /* as single, of the token in host_token; likewise */
    gpu_buffer *host_token;          /* the host's, or NULL */
    uint32_t *history;               /* [ctx] the tokens in the caches */
    bool has_logits;                 /* of the last token */
    bool unknown;                    /* some of them came from host_token, and were never seen here */
    uint32_t length;
    uint64_t fed; /* tokens so far, with dropped ones */
    feeding feeding;
    sampler_entry *scratch;
};

static gpu_span part(gpu_buffer *buffer, uint64_t offset, uint64_t size)
{
    gpu_span span = gpu_span_of(buffer);
    return (gpu_span){span.buffer, span.offset + offset, size};
}

/* Makes a pass of the shape that it has. */
static pm_status make(pm_session *s, pass *p)
{
    const pass_target to = pass_target_of(s->model);
    const uint32_t layers = s->model->config.layers;
    const bool logits = p->shape.mode == GPT_LOGITS;
    gpu_span *inputs = calloc(INPUT_CACHES + layers, sizeof *inputs);
    if (!inputs) return log_fail(to.log, PM_NO_HOST_MEMORY, "session: no memory");
    inputs[INPUT_SCALARS] = part(s->input, 0, sizeof(struct step_scalars));
    inputs[INPUT_TOKENS] = p == &s->hosted ? gpu_span_of(s->host_token)
                                           : part(s->input, sizeof(struct step_scalars), 4ull * p->shape.time);
    inputs[INPUT_LOGITS] = gpu_span_of(s->logits);
    for (uint32_t l = 0; l < layers; l++) inputs[INPUT_CACHES + l] = gpu_span_of(s->caches[l]);
    const pass_use use = {.name = logits ? "decode" : "read",
                          .owner = s,
                          .inputs = inputs,
                          .to = gpu_span_of(s->logits_out),
                          .from = logits ? inputs[INPUT_LOGITS] : (gpu_span){0}};
    pm_status status = pass_plan(p, &to, &p->shape, false);
    if (status == PM_OK) status = pass_record(p, s->model, &use, NULL);
    if (status != PM_OK) pass_fini(p);
    free(inputs);
    return status;
}

static pm_status allocate(pm_session *s)
{
    pm_device *device = s->model->device;
    const pm_gpt_config *c = &s->model->config;
    s->caches = calloc(c->layers, sizeof *s->caches);
    s->history = calloc(s->ctx, sizeof *s->history);
    s->scratch = calloc(c->vocab, sizeof *s->scratch);
    if (!s->caches || !s->history || !s->scratch)
        return log_fail(gpu_log(device), PM_NO_HOST_MEMORY, "session: no memory");
    pm_status status = PM_OK;
    for (uint32_t l = 0; l < c->layers && status == PM_OK; l++) {
        status = gpu_buffer_create(device, GPU_WORKSPACE, session_cache_bytes(c, s->ctx, s->cache), "key/value cache",
                                   &s->caches[l]);
        /* Unwritten values are multiplied by a probability of zero, so they must be finite. */
        if (status == PM_OK) status = gpu_fill(gpu_span_of(s->caches[l]), 0);
    }
    if (status == PM_OK)
        status = gpu_buffer_create(device, GPU_SHARED, sizeof(struct step_scalars) + 4 * s->chunk.shape.time, "tokens",
                                   &s->input);
    if (status == PM_OK && !s->logits)
        status = gpu_buffer_create(device, GPU_WORKSPACE, 4ull * c->vocab, "logits", &s->logits);
    if (status == PM_OK)
        status = gpu_buffer_create(device, GPU_SHARED, 4ull * c->vocab, "logits, for the host", &s->logits_out);
    return status;
}

pm_status session_create(pm_model *model, const pm_session_params *params, gpu_buffer *token, gpu_buffer *logits,
                         pm_session **out)
{
    pm_session *s = calloc(1, sizeof *s);
    if (!s) {
        gpu_buffer_destroy(&token);
        gpu_buffer_destroy(&logits);
        return log_fail(gpu_log(model->device), PM_NO_HOST_MEMORY, "session: no memory");
    }
    s->model = model;
    s->host_token = token;
    s->logits = logits;
    s->ctx = session_ctx(&model->config, params);
    pm_status status = session_cache_type(gpu_log(model->device), pm_device_caps(model->device), params, &s->cache);
    gpt_shape shapes[SESSION_SHAPES];
    session_shapes(pm_device_caps(model->device), s->ctx, s->cache, shapes);
    s->single.shape = s->hosted.shape = shapes[SESSION_SINGLE];
    s->chunk.shape = shapes[SESSION_CHUNK];
    s->small.shape = shapes[SESSION_SMALL];
    if (status == PM_OK) status = allocate(s);
    if (status == PM_OK) status = make(s, &s->single);
    if (status == PM_OK)
        *out = s;
    else
        pm_session_destroy(&s);
    return status;
}

pm_status pm_session_create_as_sized(pm_model *model, const pm_session_params *given, size_t given_size,
                                     pm_session **out)
{
    pm_session_params params;
    const pm_status status =
        sized_read(gpu_log(model->device), "pm_session_params", given, given_size, &params, sizeof params);
    return status == PM_OK ? session_create(model, &params, NULL, NULL, out) : status;
}

pm_status pm_session_create(pm_model *model, pm_session **out)
{
    return session_create(model, &(pm_session_params){0}, NULL, NULL, out);
}

uint32_t pm_session_ctx(const pm_session *session)
{
    return session->ctx;
}

void pm_session_destroy(pm_session **session)
{
    pm_session *s = *session;
    if (!s) return;
    pm_session_reset(s);
    pass_fini(&s->single);
    pass_fini(&s->chunk);
    pass_fini(&s->small);
    pass_fini(&s->hosted);
    for (uint32_t l = 0; s->caches && l < s->model->config.layers; l++) gpu_buffer_destroy(&s->caches[l]);
    gpu_buffer_destroy(&s->input);
    gpu_buffer_destroy(&s->host_token);
    gpu_buffer_destroy(&s->logits);
    gpu_buffer_destroy(&s->logits_out);
    free(s->caches);
    free(s->history);
    free(s->scratch);
    free(s->feeding.tokens);
    free(s);
    *session = NULL;
}

void pm_session_reset(pm_session *s)
{
    if (s->feeding.pass) pass_forget(s->feeding.pass, 0);
    s->feeding.pass = NULL;
    if (s->feeding.begun) gpu_signal(s->model->device, s->feeding.sync.signals);
    s->feeding.begun = false;
    s->length = 0;
    s->fed = 0;
    s->has_logits = false;
    s->unknown = false;
}

/* What reads the next of `left` tokens that fit the context, behind `length` others: all but the last are read in chunks, while a whole chunk has
 * room. The last one gives logits. */
static pass *pass_for(pm_session *s, uint32_t length, uint32_t left)
{
    const uint32_t rest = left - 1, room = s->ctx - length;
    const uint32_t chunk = s->chunk.shape.time, small = s->small.shape.time;
    pass *p = small < chunk && (rest <= small || chunk > room) ? &s->small : &s->chunk;
    return left > CHUNK_LEAST && p->shape.time <= room ? p : &s->single;
}

static uint32_t reads(const pass *p, uint32_t left)
{
    const uint32_t time = p->shape.time, rest = time > 1 ? left - 1 : 1;
    return rest < time ? rest : time;
}

/* Makes the passes that a stretch will want. */
static pm_status prepare(pm_session *s, uint32_t length, uint32_t count)
{
    pm_status status = PM_OK;
    for (uint32_t at = 0, n; status == PM_OK && at < count; at += n) {
        pass *p = pass_for(s, length + at, count - at);
        if (!p->program) status = make(s, p);
        n = reads(p, count - at);
    }
    return status;
}

/* How many of the tokens stay when the context is full: the newer half, which is read again from position 0. */
static uint32_t kept(const pm_session *s)
{
    return s->ctx / 2;
}

static pm_status prepare_all(pm_session *s, size_t count)
{
    const uint32_t ctx = s->ctx;
    uint32_t length = s->length;
    pm_status status = PM_OK;
    for (size_t at = 0, n; status == PM_OK && at < count; at += n, length += (uint32_t)n) {
        if (length == ctx) status = prepare(s, 0, length = kept(s));
        n = count - at < ctx - length ? count - at : ctx - length;
        if (status == PM_OK) status = prepare(s, length, (uint32_t)n);
    }
    return status;
}

/* ---- feeding -------------------------------------------------------------------------------------------------------- */

/* The context is full: the newer half is read again from position 0, as a stretch of its own. */
static void slide(pm_session *s)
{
    feeding *f = &s->feeding;
    const uint32_t keep = kept(s);
    memmove(f->tokens + keep, f->tokens + f->at, (f->count - f->at) * sizeof *f->tokens);
    memcpy(f->tokens, s->history + (s->length - keep), keep * sizeof *f->tokens);
    f->count = f->count - f->at + keep;
    f->at = 0;
    f->end = keep;
    f->slid = true;
    s->length = 0;
}

static void next_stretch(pm_session *s)
{
    feeding *f = &s->feeding;
    if (s->length == s->ctx) slide(s);
    if (f->at < f->end) return; /* older tokens come first; a context of one token keeps none */
    const size_t left = f->count - f->at, room = s->ctx - s->length;
    f->end = f->at + (left < room ? left : room);
}

/* Submits the next chunk: as many tokens as its pass takes, at the present position. Token 0 fills up fewer. Its cache entries lie at later positions, to which no
 * earlier one attends, and later tokens overwrite them. */
static pm_status submit_chunk(pm_session *s)
{
    feeding *f = &s->feeding;
    if (f->at == f->end) next_stretch(s);
    const uint32_t left = (uint32_t)(f->end - f->at);
    const pass *p = f->hosted ? &s->hosted : pass_for(s, s->length, left);
    f->started = pm_profile_now();
    f->chunk = reads(p, left);
    char *host = gpu_map(gpu_span_of(s->input));
    const struct step_scalars scalars = {.pos = s->length};
    memcpy(host, &scalars, sizeof scalars);
    memset(host + sizeof scalars, 0, 4ull * p->shape.time);
    memcpy(host + sizeof scalars, f->tokens + f->at, 4ull * f->chunk);
    const bool last = f->at + f->chunk == f->count;
    const gpu_sync sync = {
        .control = f->sync.control, .after = f->sync.after, .signals = last ? f->sync.signals : (gpu_moment){0}};
    f->sync.after = (gpu_moment){0};
    if (last) f->sync.signals = (gpu_moment){0};
    const pm_status status = pass_submit(p, 0, &sync);
    f->pass = status == PM_OK ? p : NULL;
    return status;
}

/* The chunk in flight has ended. */
static pm_status take_chunk(pm_session *s)
{
    feeding *f = &s->feeding;
    const bool wrote = f->pass == &s->single || f->pass == &s->hosted;
    const pm_status status = pass_wait(f->pass, 0);
    f->pass = NULL;
    if (status != PM_OK) return status;
    if (wrote) s->has_logits = f->at + f->chunk == f->count; /* else they are an earlier token's */
    pm_profile_span(gpu_profile(s->model->device), "read", f->started);
    memmove(s->history + s->length, f->tokens + f->at, 4ull * f->chunk);
    s->length += f->chunk;
    f->at += f->chunk;
    control_report(f->sync.control, "read", f->all - (f->count - f->at), f->all);
    return PM_OK;
}

/* Whether there is nothing more to do, or it failed. */
static bool over(const feeding *f)
{
    return f->status != PM_OK || (!f->pass && f->at == f->count);
}

/* Takes the chunk in flight and submits the next one. */
static void advance(pm_session *s)
{
    feeding *f = &s->feeding;
    if (f->pass) f->status = take_chunk(s);
    if (!over(f)) f->status = submit_chunk(s);
}

/* For the tokens, and for older ones that a full context reads again. */
static pm_status make_room(pm_session *s, size_t count)
{
    feeding *f = &s->feeding;
    const size_t room = count + s->ctx;
    if (room <= f->room) return PM_OK;
    uint32_t *grown = realloc(f->tokens, room * sizeof *grown);
    if (!grown) return log_fail(gpu_log(s->model->device), PM_NO_HOST_MEMORY, "session: no memory for the tokens");
    f->tokens = grown;
    f->room = room;
    return PM_OK;
}

/* Where `count` more tokens make the context full twice and more: goes to the last time, since nothing of those before stays. The caller
 * has begun. */
static void skip_to_last(pm_session *s, size_t count)
{
    feeding *f = &s->feeding;
    const size_t keep = kept(s), all = s->length + count, first = s->ctx - s->length, each = s->ctx - keep;
    const size_t times = all > s->ctx ? (all - s->ctx + each - 1) / each : 0;
    if (times < 2) return;
    f->end = first + (times - 1) * each;
    f->at = f->end - keep;
    f->slid = true;
    s->length = 0;
}

/* Begins what lies in feeding.tokens, for which there is room. */
static void start(pm_session *s, size_t count, bool hosted)
{
    feeding *f = &s->feeding;
    *f = (feeding){.begun = true,
                   .hosted = hosted,
                   .tokens = f->tokens,
                   .room = f->room,
                   .all = count,
                   .count = count,
                   .before = s->length,
                   .was_unknown = s->unknown,
                   .sync = gpu_take_sync(s->model->device)};
    s->unknown |= hosted;
    skip_to_last(s, count);
    advance(s);
}

static pm_status may_begin(const pm_session *s, size_t count)
{
    const pm_log *log = gpu_log(s->model->device);
    const uint32_t room = s->ctx - s->length;
    if (s->feeding.begun) return log_fail(log, PM_INVALID, "session: the tokens that began before are still to end");
    if (s->unknown && count > room)
        return log_fail(log, PM_INVALID,
                        "session: the context has room for %u tokens; with tokens of the host's buffer in it, older "
                        "ones cannot be read again",
                        room);
    return PM_OK;
}

static pm_status begin(pm_session *s, const uint32_t *tokens, size_t count)
{
    const pm_log *log = gpu_log(s->model->device);
    pm_status status = may_begin(s, count);
    if (status != PM_OK) return status;
    if (count == 0) return log_fail(log, PM_INVALID, "session: there are no tokens to feed");
    for (size_t i = 0; i < count; i++)
        if (tokens[i] >= s->model->config.vocab)
            return log_fail(log, PM_INVALID, "session: token %u is outside the vocabulary of %u", tokens[i],
                            s->model->config.vocab);
    status = prepare_all(s, count);
    if (status == PM_OK) status = make_room(s, count);
    if (status != PM_OK) return status;
    memcpy(s->feeding.tokens, tokens, count * sizeof *tokens);
    start(s, count, false);
    return PM_OK; /* a failure comes out at the end */
}

static pm_status begin_hosted(pm_session *s)
{
    if (!s->host_token)
        return log_fail(gpu_log(s->model->device), PM_INVALID,
                        "session: it was created without the host's token buffer");
    const bool was_unknown = s->unknown;
    s->unknown = true; /* a full context has no room for this one, either */
    pm_status status = may_begin(s, 1);
    s->unknown = was_unknown;
    if (status == PM_OK && !s->hosted.program) status = make(s, &s->hosted);
    if (status == PM_OK) status = make_room(s, 1);
    if (status != PM_OK) return status;
    s->feeding.tokens[0] = 0;
    start(s, 1, true);
    return PM_OK;
}

/* A host that waits for what could not begin must not wait for ever. */
static pm_status begun(pm_session *s, pm_status status)
{
    if (status != PM_OK) gpu_drop_sync(s->model->device);
    return status;
}

pm_status pm_session_begin(pm_session *s, const uint32_t *tokens, size_t count)
{
    return begun(s, begin(s, tokens, count));
}

pm_status session_begin_hosted(pm_session *s)
{
    return begun(s, begin_hosted(s));
}

gpu_span session_logits(const pm_session *s)
{
    return gpu_span_of(s->logits);
}

bool pm_session_done(pm_session *s)
{
    feeding *f = &s->feeding;
    if (!f->begun || over(f)) return true;
    if (gpu_poll(s->model->device) != PM_OK) return true; /* pm_session_end says why */
    if (pass_done(f->pass, 0)) advance(s);
    return over(f);
}

pm_status pm_session_end(pm_session *s)
{
    feeding *f = &s->feeding;
    if (!f->begun) return log_fail(gpu_log(s->model->device), PM_INVALID, "session: no tokens have begun");
    while (!over(f)) advance(s);
    f->begun = false;
    gpu_signal(s->model->device, f->sync.signals); /* of what did not come to its last chunk */
    if (f->status == PM_OK) {
        s->fed += f->all;
    } else if (f->status == PM_CANCELLED && !f->slid) {
        s->length = f->before; /* a cancelled run did not reach its end, the logits */
        s->unknown = f->was_unknown;
    } else {
        pm_session_reset(s);
    }
    return f->status;
}

pm_status pm_session_feed(pm_session *s, const uint32_t *tokens, size_t count)
{
    const pm_status status = pm_session_begin(s, tokens, count);
    return status == PM_OK ? pm_session_end(s) : status;
}

uint32_t pm_session_length(const pm_session *s)
{
    return s->length;
}

const float *pm_session_logits(const pm_session *s)
{
    return s->has_logits ? gpu_map(gpu_span_of(s->logits_out)) : NULL;
}

pm_status pm_session_sample_sized(pm_session *s, const pm_sampling *given, size_t given_size, uint32_t *token)
{
    const pm_log *log = gpu_log(s->model->device);
    pm_sampling sampling;
    const pm_status status = sized_read(log, "pm_sampling", given, given_size, &sampling, sizeof sampling);
    if (status != PM_OK) return status;
    if (!s->has_logits) return log_fail(log, PM_INVALID, "session: feed it a token before drawing one");
    if (!(sampling.temperature >= 0 && isfinite(sampling.temperature)))
        return log_fail(log, PM_INVALID, "session: temperature %g is not a number of 0 or more",
                        (double)sampling.temperature);
    if (!(sampling.top_p >= 0 && sampling.top_p <= 1))
        return log_fail(log, PM_INVALID, "session: top_p %g is not within 0 to 1", (double)sampling.top_p);
    double begin = pm_profile_now();
    if (!sampler_can_draw(pm_session_logits(s), s->model->config.vocab))
        return log_fail(log, PM_DIVERGED,
                        "session: the logits are not numbers: the model's weights are not, or overflow on this text");
    *token = sampler_draw(pm_session_logits(s), s->model->config.vocab, &sampling, s->fed, s->scratch);
    pm_profile_span(gpu_profile(s->model->device), "sample", begin);
    return PM_OK;
}
