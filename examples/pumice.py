"""Lists the devices, trains a small model on a text and lets it write, from Python's standard library alone.

usage: pumice.py LIBPUMICE.SO TEXT [STEPS]
"""
import ctypes as c
import sys

LOG = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_char_p)
FEATURES = "bda serial timestamps memory_budget unified fused subgroup int64 storage16 f16 coopmat"


def struct(fields):
    """A C struct: pairs of a name, or several, and a type."""
    listed = [(name, kind) for names, kind in fields for name in names.split()]
    return type("struct", (c.Structure,), {"_fields_": listed})


Log = struct([("fn", LOG), ("user", c.c_void_p), ("max_level", c.c_int)])
Caps = struct([
    ("name driver", c.c_char * 256), ("vendor_id device_id driver_version api_version", c.c_uint32),
    ("pipeline_uuid", c.c_uint8 * 16), ("type", c.c_int),
    ("device_memory device_memory_free max_allocation max_buffer_range", c.c_uint64),
    ("offset_alignment max_storage_buffers max_shared_memory max_workgroup_size", c.c_uint32),
    ("max_group_count", c.c_uint32 * 3),
    ("max_push_constants subgroup_size subgroup_min subgroup_max", c.c_uint32),
    ("coopmat_m coopmat_n coopmat_k coopmat_subgroup", c.c_uint32), ("timestamp_period_ns", c.c_float),
    (FEATURES, c.c_bool), ("kernels_off", c.c_uint64 * 4)])
DeviceParams = struct([
    ("log", Log), ("select disable cache_dir", c.c_char_p), ("validate", c.c_bool),
    ("max_buffer_range max_allocation", c.c_uint64), ("submit_ms", c.c_uint32), ("profile", c.c_bool),
    ("profile_events", c.c_uint32), ("user_kernels robust", c.c_bool), ("timeout_ms", c.c_uint32),
    ("compile_only", c.c_bool)])
GptConfig = struct([
    ("arch", c.c_int), ("vocab ctx embd heads layers inner", c.c_uint32), ("eps", c.c_float), ("no_eps", c.c_bool),
    ("dropout_embd dropout_attn dropout_resid", c.c_float), ("outputs", c.c_uint32), ("untied", c.c_bool),
    ("task_tokens", c.c_uint32), ("has_bos has_eos has_pad", c.c_bool), ("bos eos pad", c.c_uint32)])
TrainParams = struct([
    ("batch time accum steps", c.c_uint32), ("lr min_lr", c.c_float), ("warmup", c.c_uint32),
    ("beta1 beta2 eps weight_decay clip dropout", c.c_float), ("seed", c.c_uint64), ("precision", c.c_int),
    ("recompute", c.c_bool)])
Step = struct([
    ("step", c.c_uint32), ("loss grad_norm lr", c.c_float), ("tokens", c.c_uint32), ("skipped", c.c_bool),
    ("loss_scale", c.c_float)])
Sampling = struct([("temperature", c.c_float), ("top_k", c.c_uint32), ("top_p", c.c_float), ("seed", c.c_uint64)])


def sized(struct_):
    """A struct of parameters and its size: later versions of the library, whose structs are longer, take the rest as zeros."""
    return c.byref(struct_), c.c_size_t(c.sizeof(struct_))


class Pumice:
    """The library; a call that fails raises the line that it logs."""

    def __init__(self, path):
        self.library = c.CDLL(path)
        self.reason = ""
        self.log = Log(LOG(self.keep_line), None, 0)

    def keep_line(self, _user, _level, line):
        self.reason = line.decode()

    def __call__(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            raise RuntimeError(self.reason or name)

    def make(self, name, *arguments):
        """Calls a function whose last parameter takes the object that it makes."""
        made = c.c_void_p()
        self(name, *arguments, c.byref(made))
        return made


def list_devices(pumice):
    adapters = (Caps * 8)()
    count = c.c_size_t()
    pumice("pm_adapters_list", c.byref(pumice.log), adapters, c.c_size_t(len(adapters)), c.byref(count))
    for index, adapter in enumerate(adapters[:count.value]):
        print(f"device {index}: {adapter.name.decode()}, {adapter.device_memory >> 20} MiB")


def train(pumice, model, text, steps):
    config = TrainParams(batch=8, steps=steps, lr=3e-3, clip=1)
    bytes_ = pumice.make("pm_tokenizer_bytes", c.byref(pumice.log))
    corpus = pumice.make("pm_corpus_open", c.byref(pumice.log), text.encode(), bytes_)
    trainer = pumice.make("pm_trainer_create_sized", model, *sized(config))
    pumice.library.pm_corpus_size.restype = c.c_size_t
    size = c.c_size_t(pumice.library.pm_corpus_size(corpus))
    step = Step()
    for _ in range(steps):
        pumice("pm_trainer_step", trainer, corpus, c.c_size_t(0), size, c.byref(step))
    print(f"step {step.step}: loss {step.loss:.3f}")
    pumice.library.pm_trainer_destroy(c.byref(trainer))
    pumice.library.pm_corpus_close(c.byref(corpus))
    pumice.library.pm_tokenizer_destroy(c.byref(bytes_))


def write(pumice, model, prompt, count):
    session = pumice.make("pm_session_create", model)
    written = bytearray(prompt)
    fed = (c.c_uint32 * len(prompt))(*prompt)
    greedy, token = Sampling(), c.c_uint32()
    for _ in range(count):
        pumice("pm_session_feed", session, fed, c.c_size_t(len(fed)))
        pumice("pm_session_sample_sized", session, *sized(greedy), c.byref(token))
        written.append(token.value)
        fed = (c.c_uint32 * 1)(token.value)
    pumice.library.pm_session_destroy(c.byref(session))
    print(written.decode(errors="replace"))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__.splitlines()[2])
    pumice = Pumice(sys.argv[1])
    list_devices(pumice)
    device = pumice.make("pm_device_open_sized", *sized(DeviceParams(log=pumice.log)))
    config = GptConfig(vocab=256, ctx=32, embd=64, heads=4, layers=2)
    model = pumice.make("pm_model_create_sized", device, *sized(config), c.c_uint64(1))
    train(pumice, model, sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 100)
    write(pumice, model, b"p", 60)
    pumice.library.pm_model_destroy(c.byref(model))
    pumice.library.pm_device_close(c.byref(device))


if __name__ == "__main__":
    main()
