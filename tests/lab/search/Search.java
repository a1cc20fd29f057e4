import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.transport.Netty4Plugin;

/** An Elasticsearch node from its published jars; every argument is a setting, {@code key=value}. */
public final class Search {
    /** The constructor that takes plugins from the class path is not public. */
    private static final class Bare extends Node {
        Bare(Environment environment) {
            super(environment, List.<Class<? extends Plugin>>of(Netty4Plugin.class), true);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            settings.put(argument.substring(0, at), argument.substring(at + 1));
        }
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings.build(), Map.of(), null, () -> "node");
        new Bare(environment).start();
        Thread.currentThread().join();
    }
}
