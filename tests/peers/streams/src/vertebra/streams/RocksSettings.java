package vertebra.streams;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.CompactionStyle;
import org.rocksdb.CompressionType;
import org.rocksdb.DataBlockIndexType;
import org.rocksdb.IndexType;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/** RocksDB for many small rows that are read and written by key: one block cache and one budget of write buffers for all stores. */
public final class RocksSettings implements RocksDBConfigSetter {
    static final String BLOCK_CACHE_MB = "vertebra.block.cache.mb", WRITE_BUFFERS_MB = "vertebra.write.buffers.mb";
    private static Cache cache;
    private static WriteBufferManager writeBuffers;

    private static synchronized void share(Map<String, Object> configs) {
        if (cache == null) {
            cache = new LRUCache(megabytes(configs, BLOCK_CACHE_MB), 4);
            writeBuffers = new WriteBufferManager(megabytes(configs, WRITE_BUFFERS_MB), cache);
        }
    }

    private static long megabytes(Map<String, Object> configs, String name) {
        return Long.parseLong(configs.get(name).toString()) << 20;
    }

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        share(configs);
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(cache);
        table.setBlockSize(4 << 10);
        table.setFilterPolicy(new BloomFilter(10, false));
        table.setWholeKeyFiltering(true);
        table.setDataBlockIndexType(DataBlockIndexType.kDataBlockBinaryAndHash);
        table.setDataBlockHashTableUtilRatio(0.75);
        table.setIndexType(IndexType.kBinarySearch);
        table.setCacheIndexAndFilterBlocks(true);
        table.setPinL0FilterAndIndexBlocksInCache(true);
        table.setFormatVersion(5);
        options.setTableFormatConfig(table);
        options.setWriteBufferManager(writeBuffers);
        options.setWriteBufferSize(32 << 20);
        options.setMaxWriteBufferNumber(3);
        options.setMinWriteBufferNumberToMerge(1);
        options.setCompactionStyle(CompactionStyle.LEVEL);
        options.setLevelCompactionDynamicLevelBytes(true);
        options.setTargetFileSizeBase(32 << 20);
        options.setMaxBytesForLevelBase(256 << 20);
        options.setLevel0FileNumCompactionTrigger(4);
        options.setCompressionType(CompressionType.LZ4_COMPRESSION);
        options.setMaxBackgroundJobs(2);
        options.setMaxOpenFiles(-1);
        options.setStatsDumpPeriodSec(0);
    }

    @Override
    public void close(String store, Options options) {
        // The cache and the budget are shared by all stores, for as long as the process lives.
    }
}
