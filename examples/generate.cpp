// Continues a text with a model, from C++: generate_cpp MODEL PROMPT [TOKENS].
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include <pumice/pumice.h>

namespace
{
// Pumice's objects, which their own functions destroy.
template <auto destroy> struct Destroy {
    template <class T> void operator()(T *object) const { destroy(&object); }
};
using Device = std::unique_ptr<pm_device, Destroy<pm_device_close>>;
using Tokenizer = std::unique_ptr<pm_tokenizer, Destroy<pm_tokenizer_destroy>>;
using Model = std::unique_ptr<pm_model, Destroy<pm_model_destroy>>;
using Session = std::unique_ptr<pm_session, Destroy<pm_session_destroy>>;

// The log keeps the line that says why a call failed; check throws it.
std::string reason;
void keep_line(void *, pm_log_level level, const char *line)
{
    if (level == PM_LOG_ERROR) reason = line;
}
void check(pm_status status)
{
    if (status != PM_OK) throw std::runtime_error(reason.empty() ? pm_status_text(status) : reason);
}

void generate(const char *folder, const std::string &prompt, unsigned long count)
{
    pm_device_params params = {};
    params.log.fn = keep_line;
    pm_device *device = nullptr;
    check(pm_device_open(&params, &device));
    const Device device_owner(device);
    pm_tokenizer *tokenizer = nullptr;
    check(pm_tokenizer_load(&params.log, folder, &tokenizer));
    const Tokenizer tokenizer_owner(tokenizer);
    pm_model *model = nullptr;
    check(pm_model_load(device, folder, &model));
    const Model model_owner(model);
    pm_session *session = nullptr;
    check(pm_session_create(model, &session));
    const Session session_owner(session);

    std::uint32_t *tokens = nullptr;
    std::size_t token_count = 0;
    check(pm_tokenizer_encode_prompt(&params.log, tokenizer, "the prompt", prompt.data(), prompt.size(), false,
                                     PM_TOKEN_NONE, &tokens, &token_count));
    const std::unique_ptr<std::uint32_t, decltype(&std::free)> tokens_owner(tokens, std::free);
    check(pm_session_feed(session, tokens, token_count));

    std::string text = prompt;
    pm_sampling sampling = {};
    sampling.temperature = 0.8f;
    for (unsigned long i = 0; i < count; i++) {
        std::uint32_t token = 0;
        check(pm_session_sample(session, &sampling, &token));
        std::size_t size = 0;
        if (const char *piece = pm_tokenizer_piece(tokenizer, token, &size)) text.append(piece, size);
        check(pm_session_feed(session, &token, 1));
    }
    std::printf("%s\n", text.c_str());
}
} // namespace

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        std::fprintf(stderr, "usage: generate_cpp MODEL PROMPT [TOKENS]\n");
        return 2;
    }
    try {
        generate(argv[1], argv[2], argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 100);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
