#include "iommu_world.h"

#include <string.h>

#include "full_iommu.h"

vx_cfg_iommu io_world_config(void)
{
    vx_cfg_iommu config = full_iommu();
    config.fault_records = 8;
    config.iotlb = (vx_cfg_io_cache){64, 64, VX_REPLACE_LRU};
    config.context = config.pasid = config.interrupts = (vx_cfg_io_cache){32, 8, VX_REPLACE_LRU};
    for (unsigned level = 2; level <= 5; level++) config.paging[level] = (vx_cfg_io_cache){16, 16, VX_REPLACE_LRU};
    config.hit_ns = 1;
    config.read_ns = 100;
    config.descriptor_ns = 50;
    config.register_ns = 500;
    return config;
}

/* ---- hooks ---- */

static void on_event(void *context, uint64_t address, uint32_t data)
{
    io_world *world = context;
    world->events++;
    world->event_address = address;
    world->event_data = data;
}

static void on_response(void *context, uint16_t source_id, uint32_t pasid, uint16_t group, unsigned code)
{
    io_world *world = context;
    world->responses++;
    world->response = (uint64_t)source_id << 48 | (uint64_t)group << 32 | (uint64_t)code << 24 | (pasid & 0xFFFFFF);
}

/* ---- memory ---- */

uint64_t io_world_page(io_world *world)
{
    uint64_t page = world->next_page;
    world->next_page += VX_PAGE_BYTES;
    assert_true(world->next_page <= IO_WORLD_BYTES);
    return page;
}

uint64_t io_world_get(const io_world *world, uint64_t at) { return vx_physmem_read64(&world->memory, (vx_hpa){at}); }

void io_world_put(io_world *world, uint64_t at, uint64_t value)
{
    vx_physmem_write64(&world->memory, (vx_hpa){at}, value);
}

/* ---- the machine ---- */

static void program(io_world *world)
{
    vx_iommu *iommu = world->iommu;
    vx_iommu_write(iommu, VX_VTD_RTADDR, 8, world->root | (world->scalable ? 1U << VX_VTD_TTM_SHIFT : 0));
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_SRTP);
    vx_iommu_write(iommu, VX_VTD_IQA, 8, world->queue);
    vx_iommu_write(iommu, VX_VTD_IRTA, 8, world->interrupts | 7);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_SIRTP);
    vx_iommu_write(iommu, VX_VTD_PQA, 8, world->page_queue);
    vx_iommu_write(iommu, VX_VTD_FEADDR, 4, 0xFEE01000);
    vx_iommu_write(iommu, VX_VTD_FEDATA, 4, 0x41);
    vx_iommu_write(iommu, VX_VTD_GCMD, 4, VX_VTD_TE | VX_VTD_QIE);
}

void io_world_open(io_world *world, const vx_cfg_iommu *config, bool scalable)
{
    *world = (io_world){.next_page = VX_PAGE_BYTES, .scalable = scalable};
    vx_msg msg = {""};
    vx_arena_init(&world->arena);
    assert_int_equal(vx_physmem_init(&world->memory, IO_WORLD_BYTES, &msg), VX_OK);
    const vx_iommu_hooks hooks = {.context = world, .event = on_event, .page_response = on_response};
    assert_int_equal(vx_iommu_init(&world->iommu, &world->arena, config, &world->memory, &hooks, &msg), VX_OK);
    world->root = io_world_page(world);
    world->queue = io_world_page(world);
    world->interrupts = io_world_page(world);
    world->page_queue = io_world_page(world);
    program(world);
}

void io_world_close(io_world *world)
{
    io_world_check(world);
    vx_physmem_fini(&world->memory);
    vx_arena_fini(&world->arena);
}

void io_world_check(const io_world *world)
{
    vx_identity identities[16];
    unsigned count = vx_iommu_identities(world->iommu, identities, 16);
    for (unsigned i = 0; i < count; i++)
        if (identities[i].left != identities[i].right)
            fail_msg("%s: %llu, %llu", identities[i].name, (unsigned long long)identities[i].left,
                     (unsigned long long)identities[i].right);
}

/* ---- tables ---- */

uint64_t io_world_context_at(io_world *world, uint16_t source_id)
{
    bool upper = world->scalable && (source_id & 0x80);
    uint64_t at = world->root + (uint64_t)(source_id >> 8) * 16 + (upper ? 8 : 0);
    if (!(io_world_get(world, at) & VX_VTD_ROOT_P)) io_world_put(world, at, io_world_page(world) | VX_VTD_ROOT_P);
    uint64_t table = io_world_get(world, at) & VX_ENTRY_ADDRESS;
    return table + (world->scalable ? (uint64_t)(source_id & 0x7F) * 32 : (uint64_t)(source_id & 0xFF) * 16);
}

void io_world_context(io_world *world, uint16_t source_id, uint16_t domain, unsigned type, unsigned levels,
                      uint64_t root)
{
    uint64_t at = io_world_context_at(world, source_id);
    io_world_put(world, at, root | (uint64_t)type << VX_VTD_CONTEXT_TYPE_SHIFT | VX_VTD_CONTEXT_P);
    io_world_put(world, at + 8, (uint64_t)domain << VX_VTD_CONTEXT_DOMAIN_SHIFT | (levels - 2));
}

uint64_t io_world_scalable_context(io_world *world, uint16_t source_id)
{
    uint64_t directory = io_world_page(world), at = io_world_context_at(world, source_id);
    io_world_put(world, at,
                 directory | VX_VTD_CONTEXT_P | VX_VTD_CONTEXT_DTE | VX_VTD_CONTEXT_PASIDE | VX_VTD_CONTEXT_PRE);
    return directory;
}

uint64_t io_world_pasid_at(io_world *world, uint64_t directory, uint32_t pasid)
{
    uint64_t at = directory + (uint64_t)(pasid >> 6) * 8;
    if (!(io_world_get(world, at) & 1)) io_world_put(world, at, io_world_page(world) | 1);
    return (io_world_get(world, at) & VX_ENTRY_ADDRESS) + (uint64_t)(pasid & 63) * 64;
}

void io_world_pasid(io_world *world, uint64_t directory, uint32_t pasid, vx_vtd_pgtt type, uint16_t domain,
                    unsigned second_levels, uint64_t second, uint64_t first)
{
    uint64_t at = io_world_pasid_at(world, directory, pasid);
    uint64_t width = second_levels ? (uint64_t)(second_levels - 2) << VX_VTD_PASID_AW_SHIFT : 0;
    io_world_put(world, at, second | width | (uint64_t)type << VX_VTD_PASID_TYPE_SHIFT | VX_VTD_PASID_P);
    io_world_put(world, at + 8, domain | VX_VTD_PASID_PWSNP);
    io_world_put(world, at + 16, first | VX_VTD_PASID_SRE | VX_VTD_PASID_ERE | VX_VTD_PASID_NXE | VX_VTD_PASID_WPE);
}

static uint64_t new_page(void *context, unsigned level)
{
    (void)level;
    return io_world_page(context);
}

void io_world_map(io_world *world, unsigned levels, uint64_t root, uint64_t iova, uint64_t hpa, vx_page_size size,
                  uint64_t rights)
{
    const vx_radix_table table = {.format = vx_vtd_second_level(levels), .root = root, .memory = &world->memory};
    vx_msg msg = {""};
    vx_status status =
        vx_radix_map(&table, iova, hpa, size, rights, VX_VTD_SL_R | VX_VTD_SL_W, new_page, NULL, world, &msg);
    if (status) fail_msg("%s", msg.text);
}

typedef struct first_map {
    io_world *world;
    uint64_t offset;
} first_map;

static uint64_t new_first_page(void *context, unsigned level)
{
    (void)level;
    const first_map *map = context;
    return io_world_page(map->world) - map->offset;
}

static vx_hpa place_first(void *context, uint64_t address)
{
    const first_map *map = context;
    return (vx_hpa){address + map->offset};
}

void io_world_map_first(io_world *world, uint64_t root, uint64_t offset, uint64_t address, uint64_t frame,
                        vx_page_size size, uint64_t bits)
{
    first_map map = {world, offset};
    const vx_radix_table table = {.format = &vx_radix_4level,
                                  .root = root,
                                  .memory = &world->memory,
                                  .place = place_first,
                                  .place_context = &map};
    vx_msg msg = {""};
    vx_status status = vx_radix_map(&table, address, frame, size, bits, VX_PTE_P | VX_PTE_W | VX_PTE_U, new_first_page,
                                    NULL, &map, &msg);
    if (status) fail_msg("%s", msg.text);
}

uint64_t io_world_entry_at(const io_world *world, unsigned levels, uint64_t root, uint64_t iova, unsigned level)
{
    const vx_radix *format = vx_vtd_second_level(levels);
    for (unsigned now = levels;; now--) {
        uint64_t at = root + (uint64_t)vx_radix_index(format, now, iova) * 8;
        if (now == level) return at;
        root = io_world_get(world, at) & VX_ENTRY_ADDRESS;
    }
}

/* ---- requests ---- */

vx_dma_outcome io_world_dma(io_world *world, uint16_t source_id, uint64_t address, bool write)
{
    return io_world_dma_pasid(world, source_id, VX_PASID_NONE, address, write);
}

vx_dma_outcome io_world_dma_pasid(io_world *world, uint16_t source_id, uint32_t pasid, uint64_t address, bool write)
{
    const vx_dma_request request = {
        .address = {address}, .pasid = pasid, .source_id = source_id, .write = write, .type = VX_DMA_UNTRANSLATED};
    return vx_iommu_translate(world->iommu, &request, &world->out);
}

void io_world_submit(io_world *world, uint64_t low, uint64_t high)
{
    uint64_t tail = vx_iommu_read(world->iommu, VX_VTD_IQT, 8);
    io_world_put(world, world->queue + tail, low);
    io_world_put(world, world->queue + tail + 8, high);
    vx_iommu_write(world->iommu, VX_VTD_IQT, 8, (tail + 16) % IO_WORLD_QUEUE_BYTES);
}

void io_world_flush(io_world *world)
{
    io_world_submit(world, VX_VTD_DESC_CONTEXT | 1U << 4, 0);
    if (world->scalable) io_world_submit(world, VX_VTD_DESC_PASID_CACHE | 3U << 4, 0);
    io_world_submit(world, VX_VTD_DESC_IOTLB | 1U << 4, 0);
}

void io_world_flush_pages(io_world *world, uint16_t domain, uint64_t address, unsigned mask, bool hint)
{
    io_world_submit(world, VX_VTD_DESC_IOTLB | 3U << 4 | (uint64_t)domain << 16,
                    (address & ~(uint64_t)(VX_PAGE_BYTES - 1)) | (hint ? VX_VTD_IVA_HINT : 0) | mask);
}
