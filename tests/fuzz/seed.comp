// A module with much of what modules can have, as a seed for fuzz_spirv: narrow and wide numbers, matrices, arrays sized by specialization
// constants, shared memory, structs in push constants, subgroup operations.
#version 450
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require
layout(local_size_x_id = 0, local_size_y = 2) in;
layout(constant_id = 1) const uint count = 4;
layout(constant_id = 2) const bool twice = false;
layout(constant_id = 3) const double scale = 2.0;
layout(constant_id = 4) const int less = 1;
const uint sized = twice ? (count * 2 + 1) / 3 : (count << 1) - uint(less);

struct inner {
    vec3 direction;
    mat2x3 turn;
};
layout(push_constant) uniform push {
    inner first, second[2];
    float16_t half_value;
    uint64_t wide;
};
layout(binding = 0) readonly buffer numbers { mat4 head; float16_t narrow[]; };
layout(binding = 1) writeonly buffer results { int8_t small[4]; double most[]; };
layout(binding = 2) uniform fixed_size { ivec4 some[3]; };
shared vec4 tile[sized];
shared uint8_t flags[count % 7 + 1];

void main()
{
    const uint i = gl_LocalInvocationIndex;
    tile[i % sized] = head * vec4(first.direction, float(narrow[i]));
    flags[0] = uint8_t(some[1].x & 255);
    barrier();
    const float sum = subgroupAdd(tile[0].x) + subgroupShuffle(tile[0].y, 1) + second[1].turn[0].y;
    if (subgroupElect() && subgroupBallot(sum > 0).x != 0) most[i] = scale * double(sum) + double(half_value) + double(wide);
    small[0] = int8_t(flags[0]);
}
