import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.AbstractIndexAnalyzerProvider;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.wltea.analyzer.lucene.IKAnalyzer;

/** A stand-in for the plugin analysis-ik: its two analyzers by their names, by IK's segmenter, and nothing else of it. */
public final class StandIn extends Plugin implements AnalysisPlugin {
    private static final class Provider extends AbstractIndexAnalyzerProvider<Analyzer> {
        private final Analyzer analyzer;

        Provider(IndexSettings index, String name, Settings settings, boolean smart) {
            super(index, name, settings);
            analyzer = new IKAnalyzer(smart);
        }

        @Override
        public Analyzer get() {
            return analyzer;
        }
    }

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
        return Map.of(
            "ik_smart", (index, environment, name, settings) -> new Provider(index, name, settings, true),
            "ik_max_word", (index, environment, name, settings) -> new Provider(index, name, settings, false)
        );
    }
}
