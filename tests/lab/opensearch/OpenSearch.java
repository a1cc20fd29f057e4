import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/** An OpenSearch node from its published jars; every argument is a setting, {@code key=value}. Its plugins are in {@code path.home}. */
public final class OpenSearch {
    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            settings.put(argument.substring(0, at), argument.substring(at + 1));
        }
        new Node(InternalSettingsPreparer.prepareEnvironment(settings.build(), Map.of(), null, () -> "node")).start();
        Thread.currentThread().join();
    }
}
