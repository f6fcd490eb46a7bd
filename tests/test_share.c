/* What Pumice and a host's own work share on the host's device, without a copy through the CPU: a token and logits in the host's buffers, a parameter in
 * Pumice's, and timeline semaphores between the two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/table.h" /* volk, which must come before <pumice/vulkan.h> */

#include <pumice/pumice.h>

#include "helper_device.h"
#include "helper_import.h"
#include "os/clock.h"

enum { VOCAB = 71, CTX = 16, TOKENS = 9, SIZE = 65536 };

static const pm_gpt_config config = {.vocab = VOCAB, .ctx = CTX, .embd = 32, .heads = 2, .layers = 2};

#define HOST_FUNCTIONS(X)                                                                                              \
    X(AllocateCommandBuffers)                                                                                          \
    X(AllocateMemory)                                                                                                  \
    X(BeginCommandBuffer)                                                                                              \
    X(BindBufferMemory)                                                                                                \
    X(CmdCopyBuffer)                                                                                                   \
    X(CmdFillBuffer)                                                                                                   \
    X(CmdPipelineBarrier)                                                                                              \
    X(CreateBuffer)                                                                                                    \
    X(CreateCommandPool)                                                                                               \
    X(CreateSemaphore)                                                                                                 \
    X(DestroyBuffer)                                                                                                   \
    X(DestroyCommandPool)                                                                                              \
    X(DestroySemaphore)                                                                                                \
    X(EndCommandBuffer)                                                                                                \
    X(FreeMemory)                                                                                                      \
    X(GetBufferMemoryRequirements)                                                                                     \
    X(GetPhysicalDeviceMemoryProperties)                                                                               \
    X(MapMemory)                                                                                                       \
    X(QueueSubmit)                                                                                                     \
    X(SignalSemaphore)                                                                                                 \
    X(WaitSemaphores)

/* The host's side: a buffer that both use, one that the CPU sees, and a semaphore. */
typedef struct fixture {
    test_host *host;
    pm_device *device;
    test_lines lines;
    pm_model *model;
    VkDevice handle;
    VkQueue queue;
    VkBuffer shared, seen;
    VkDeviceMemory memory[2];
    unsigned char *mapped; /* of `seen` */
    VkCommandPool pool;
    VkSemaphore timeline;
    uint64_t reached; /* the last value that was asked for */
#define FIELD(name) PFN_vk##name name;
    HOST_FUNCTIONS(FIELD)
#undef FIELD
} fixture;

static void make_buffer(fixture *f, bool seen, VkBuffer *buffer, VkDeviceMemory *memory)
{
    const bool addresses = pm_device_caps(f->device)->bda && !seen;
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = SIZE,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 (addresses ? (VkBufferUsageFlags)VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0)};
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryPropertyFlags wanted =
        seen ? VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT : 0;
    VkMemoryRequirements needs;
    VkPhysicalDeviceMemoryProperties heaps;
    assert_int_equal(f->CreateBuffer(f->handle, &info, NULL, buffer), VK_SUCCESS);
    f->GetBufferMemoryRequirements(f->handle, *buffer, &needs);
    f->GetPhysicalDeviceMemoryProperties(test_host_device(f->host)->physical, &heaps);
    uint32_t type = 0;
    while (!(needs.memoryTypeBits >> type & 1) || (heaps.memoryTypes[type].propertyFlags & wanted) != wanted) type++;
    const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                           .pNext = addresses ? &flags : NULL,
                                           .allocationSize = needs.size,
                                           .memoryTypeIndex = type};
    assert_int_equal(f->AllocateMemory(f->handle, &allocate, NULL, memory), VK_SUCCESS);
    assert_int_equal(f->BindBufferMemory(f->handle, *buffer, *memory, 0), VK_SUCCESS);
}

static fixture make(void)
{
    fixture f = {.host = test_host_make(TEST_HOST_FULL)};
    if (!f.host) skip();
    const pm_vulkan_device *d = test_host_device(f.host);
    PFN_vkGetInstanceProcAddr get = gpu_loader();
#define LOAD(name) f.name = (PFN_vk##name)get(d->instance, "vk" #name);
    HOST_FUNCTIONS(LOAD)
#undef LOAD
    f.handle = d->device;
    f.queue = d->queue;
    return f;
}

static void open_all(fixture *f)
{
    const VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .queueFamilyIndex = test_host_device(f->host)->queue_family};
    const pm_device_params params = test_device_params((pm_device_params){.log = test_lines_log(&f->lines)});
    void *mapped;
    assert_int_equal(pm_device_import(&params, test_host_device(f->host), &f->device), PM_OK);
    assert_int_equal(pm_model_create(f->device, &config, 4, &f->model), PM_OK);
    make_buffer(f, false, &f->shared, &f->memory[0]);
    make_buffer(f, true, &f->seen, &f->memory[1]);
    assert_int_equal(f->MapMemory(f->handle, f->memory[1], 0, VK_WHOLE_SIZE, 0, &mapped), VK_SUCCESS);
    f->mapped = mapped;
    assert_int_equal(f->CreateSemaphore(f->handle, &semaphore, NULL, &f->timeline), VK_SUCCESS);
    assert_int_equal(f->CreateCommandPool(f->handle, &pool, NULL, &f->pool), VK_SUCCESS);
}

static void done(fixture *f)
{
    pm_model_destroy(&f->model);
    test_device_done(&f->device);
    f->DestroyCommandPool(f->handle, f->pool, NULL);
    f->DestroySemaphore(f->handle, f->timeline, NULL);
    f->DestroyBuffer(f->handle, f->shared, NULL);
    f->DestroyBuffer(f->handle, f->seen, NULL);
    f->FreeMemory(f->handle, f->memory[0], NULL);
    f->FreeMemory(f->handle, f->memory[1], NULL);
    test_host_done(&f->host);
}

/* ---- the host's own work --------------------------------------------------------------------------------------------- */

static VkCommandBuffer begin(fixture *f)
{
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = f->pool, .commandBufferCount = 1};
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkCommandBuffer commands;
    assert_int_equal(f->AllocateCommandBuffers(f->handle, &allocate, &commands), VK_SUCCESS);
    assert_int_equal(f->BeginCommandBuffer(commands, &info), VK_SUCCESS);
    return commands;
}

/* Submits it to wait for `after`, if that is above 0, and to signal the next value. */
static void submit(fixture *f, VkCommandBuffer commands, uint64_t after)
{
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const uint64_t next = ++f->reached;
    const VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .waitSemaphoreValueCount = after > 0,
                                                  .pWaitSemaphoreValues = &after,
                                                  .signalSemaphoreValueCount = 1,
                                                  .pSignalSemaphoreValues = &next};
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .pNext = &values,
                               .waitSemaphoreCount = after > 0,
                               .pWaitSemaphores = &f->timeline,
                               .pWaitDstStageMask = &stage,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &commands,
                               .signalSemaphoreCount = 1,
                               .pSignalSemaphores = &f->timeline};
    assert_int_equal(f->EndCommandBuffer(commands), VK_SUCCESS);
    assert_int_equal(f->QueueSubmit(f->queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
}

static bool wait_ms(fixture *f, uint64_t value, uint64_t ms)
{
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &f->timeline,
                                      .pValues = &value};
    return f->WaitSemaphores(f->handle, &info, ms * 1000000) == VK_SUCCESS;
}

/* Copies what Pumice wrote to where the CPU sees it, behind `after`. */
static void fetch(fixture *f, const pm_vulkan_buffer *from, uint64_t after)
{
    const VkBufferCopy region = {.srcOffset = from->offset, .size = from->size};
    const VkMemoryBarrier visible = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                     .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                     .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    VkCommandBuffer commands = begin(f);
    f->CmdCopyBuffer(commands, from->buffer, f->seen, 1, &region);
    f->CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &visible, 0, NULL,
                          0, NULL);
    submit(f, commands, after);
    assert_true(wait_ms(f, f->reached, 10000));
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

/* The host writes each token on the device, Pumice reads it there and leaves the logits, and the host takes them: no CPU between, and the bits of
 * pm_session_feed. */
static void test_tokens(void **state)
{
    (void)state;
    fixture f = make();
    open_all(&f);
    const pm_vulkan_session buffers = {.token = {f.shared, 256, 4}, .logits = {f.shared, 1024, 4 * VOCAB}};
    pm_session *plain = NULL, *shared = NULL;
    pm_vulkan_buffer own;
    const uint32_t first[] = {5, 6, 7};
    assert_int_equal(pm_session_create(f.model, &plain), PM_OK);
    assert_int_equal(pm_vulkan_session_create(f.model, &buffers, &shared), PM_OK);
    pm_vulkan_logits(shared, &own);
    assert_true(own.buffer == f.shared && own.offset == 1024 && own.size == 4 * VOCAB);
    assert_int_equal(pm_session_feed(plain, first, 3), PM_OK);
    assert_int_equal(pm_session_feed(shared, first, 3), PM_OK); /* tokens of the CPU's, too */
    for (uint32_t i = 0; i < TOKENS; i++) {
        const uint32_t token = (i * 31 + 2) % VOCAB;
        VkCommandBuffer commands = begin(&f);
        f.CmdFillBuffer(commands, f.shared, 256, 4, token);
        submit(&f, commands, f.reached);
        assert_int_equal(pm_vulkan_wait(f.device, f.timeline, f.reached), PM_OK);
        assert_int_equal(pm_vulkan_signal(f.device, f.timeline, ++f.reached), PM_OK);
        assert_int_equal(pm_vulkan_session_begin(shared), PM_OK);
        fetch(&f, &buffers.logits, f.reached);
        assert_int_equal(pm_session_end(shared), PM_OK);
        assert_int_equal(pm_session_feed(plain, &token, 1), PM_OK);
        assert_memory_equal(f.mapped, pm_session_logits(plain), 4 * VOCAB);
        assert_memory_equal(pm_session_logits(shared), pm_session_logits(plain), 4 * VOCAB);
        pm_vulkan_logits(plain, &own);
        fetch(&f, &own, 0);
        assert_memory_equal(f.mapped, pm_session_logits(plain), 4 * VOCAB);
    }
    /* the context has room for 4 more, and no more of either kind */
    const uint32_t more[5] = {1, 2, 3, 4, 5};
    assert_int_equal(pm_session_feed(shared, more, 5), PM_INVALID);
    assert_int_equal(pm_session_feed(shared, more, 4), PM_OK);
    assert_int_equal(pm_vulkan_session_begin(shared), PM_INVALID);
    assert_int_equal(f.lines.errors, 2);
    pm_session_reset(shared);
    assert_int_equal(pm_session_feed(shared, more, 5), PM_OK);
    pm_session_destroy(&plain);
    pm_session_destroy(&shared);
    done(&f);
}

/* The host reads and writes a parameter where Pumice keeps it. */
static void test_param(void **state)
{
    (void)state;
    fixture f = make();
    open_all(&f);
    pm_vulkan_buffer where;
    float values[VOCAB * 32], changed[VOCAB * 32];
    for (size_t p = 0; p < pm_model_param_count(f.model); p++) {
        const pm_param param = pm_model_param(f.model, p);
        const size_t bytes = sizeof(float) * param.rows * param.cols;
        if (bytes > sizeof values) continue;
        assert_int_equal(pm_vulkan_param(f.model, p, &where), PM_OK);
        assert_int_equal(where.size, bytes);
        assert_int_equal(pm_model_read(f.model, p, values), PM_OK);
        fetch(&f, &where, 0);
        assert_memory_equal(f.mapped, values, bytes);
        VkCommandBuffer commands = begin(&f);
        f.CmdFillBuffer(commands, where.buffer, where.offset, where.size, 0x40490fdb);
        submit(&f, commands, 0);
        assert_true(wait_ms(&f, f.reached, 10000));
        assert_int_equal(pm_model_read(f.model, p, changed), PM_OK);
        for (size_t i = 0; i < bytes / 4; i++) assert_true(changed[i] > 3.1415f && changed[i] < 3.1416f);
    }
    assert_int_equal(pm_vulkan_param(f.model, pm_model_param_count(f.model), &where), PM_INVALID);
    done(&f);
}

/* A step waits on the device for the host's value, and the host for the step's; where the step is cancelled nobody waits for ever. */
static void test_order(void **state)
{
    (void)state;
    fixture f = make();
    open_all(&f);
    enum { BATCH = 2 };
    const pm_train_params params = {.batch = BATCH, .steps = 10};
    const VkSemaphoreSignalInfo signal = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = f.timeline, .value = 5};
    int32_t tokens[BATCH * CTX] = {0}, targets[BATCH * CTX] = {0};
    pm_trainer *trainer = NULL;
    pm_control *control = NULL;
    pm_step step;
    assert_int_equal(pm_trainer_create(f.model, &params, &trainer), PM_OK);
    assert_int_equal(pm_vulkan_wait(f.device, f.timeline, 5), PM_OK);
    assert_int_equal(pm_vulkan_signal(f.device, f.timeline, 6), PM_OK);
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    for (int i = 0; i < 20; i++) {
        assert_false(pm_trainer_done(trainer));
        os_sleep(1e-3);
    }
    assert_false(wait_ms(&f, 6, 0));
    assert_int_equal(f.SignalSemaphore(f.handle, &signal), VK_SUCCESS);
    assert_int_equal(pm_trainer_end(trainer, &step), PM_OK);
    assert_true(wait_ms(&f, 6, 5000));
    assert_int_equal(pm_control_create(&control), PM_OK);
    pm_device_control(f.device, control);
    pm_control_cancel(control);
    assert_int_equal(pm_vulkan_signal(f.device, f.timeline, 7), PM_OK);
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_CANCELLED);
    assert_true(wait_ms(&f, 7, 5000));
    pm_control_clear(control);
    assert_int_equal(pm_vulkan_signal(f.device, f.timeline, 8), PM_OK);
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    pm_control_cancel(control);
    const pm_status status = pm_trainer_end(trainer, &step); /* it may have been past the last moment */
    assert_true(status == PM_OK || status == PM_CANCELLED);
    assert_true(wait_ms(&f, 8, 5000));
    pm_control_clear(control);
    /* two steps, dropped while they are paused: their values come in order; a step that cannot begin; a session that is reset, and one destroyed */
    pm_control_pause(control, true);
    for (uint64_t value = 9; value < 11; value++) {
        assert_int_equal(pm_vulkan_signal(f.device, f.timeline, value), PM_OK);
        assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_OK);
    }
    pm_control_cancel(control);
    assert_int_equal(pm_trainer_end(trainer, &step), PM_CANCELLED);
    assert_true(wait_ms(&f, 10, 5000));
    pm_control_pause(control, false);
    pm_control_clear(control);
    tokens[0] = -1;
    assert_int_equal(pm_vulkan_signal(f.device, f.timeline, 11), PM_OK);
    assert_int_equal(pm_trainer_begin_tokens(trainer, tokens, targets), PM_INVALID);
    assert_true(wait_ms(&f, 11, 5000));
    pm_control_pause(control, true);
    for (uint64_t value = 12; value < 14; value++) {
        const uint32_t prompt[] = {1, 2, 3, 4, 5, 6, 7, 8};
        pm_session *session = NULL;
        pm_control_pause(control, false);
        assert_int_equal(pm_session_create(f.model, &session), PM_OK);
        pm_control_pause(control, true);
        assert_int_equal(pm_vulkan_signal(f.device, f.timeline, value), PM_OK);
        assert_int_equal(pm_session_begin(session, prompt, 8), PM_OK);
        if (value == 12) pm_session_reset(session);
        pm_session_destroy(&session);
        assert_true(wait_ms(&f, value, 5000));
    }
    pm_device_control(f.device, NULL);
    pm_trainer_destroy(&trainer);
    pm_control_destroy(&control);
    done(&f);
}

static void test_refused(void **state)
{
    (void)state;
    fixture f = make();
    open_all(&f);
    pm_session *session = NULL;
    const pm_vulkan_session bad[] = {{.token = {f.shared, 256, 3}},
                                     {.token = {f.shared, 2, 4}},
                                     {.logits = {f.shared, 256, 4 * VOCAB - 1}},
                                     {.logits = {f.shared, 6, 4 * VOCAB}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f.lines.errors = 0;
        assert_int_equal(pm_vulkan_session_create(f.model, &bad[i], &session), PM_INVALID);
        assert_null(session);
        assert_int_equal(f.lines.errors, 1);
    }
    assert_int_equal(pm_vulkan_wait(f.device, VK_NULL_HANDLE, 1), PM_INVALID);
    assert_int_equal(pm_session_create(f.model, &session), PM_OK);
    assert_int_equal(pm_vulkan_session_begin(session), PM_INVALID); /* without a buffer for the token */
    pm_session_destroy(&session);
    /* a device of Pumice's own, and one without timeline semaphores */
    pm_device *own = test_device(NULL), *bare = NULL;
    test_host *host = test_host_make(TEST_HOST_BARE);
    const pm_device_params params = test_device_params((pm_device_params){.log = {0}});
    assert_int_equal(pm_vulkan_signal(own, f.timeline, 1), PM_INVALID);
    assert_int_equal(pm_device_import(&params, test_host_device(host), &bare), PM_OK);
    assert_int_equal(pm_vulkan_wait(bare, f.timeline, 1), PM_UNSUPPORTED);
    test_device_done(&bare);
    test_device_done(&own);
    test_host_done(&host);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens), cmocka_unit_test(test_param),
                                       cmocka_unit_test(test_order), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
